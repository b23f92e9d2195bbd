/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tools/keyhold/commands.h"
#include "tools/keyhold/remote.h"

static double
now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Keys come one by one, unseen. False: it is no terminal. */
static bool
keys_raw(struct termios *ret_before)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, ret_before))
		return false;
	raw = *ret_before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	return !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* Waits a second, or for a key. True: q. */
static bool
quit_asked(bool keys)
{
	struct pollfd fd = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN};
	char key;

	if (poll(&fd, 1, 1000) <= 0 || read(STDIN_FILENO, &key, 1) != 1)
		return false;
	return key == 'q' || key == 'Q';
}

/* As many lines as the terminal has. */
static void
show(const char *text)
{
	struct winsize size;
	int rows = 0;

	/* A terminal need not know how large it is. */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		size = (struct winsize){.ws_row = 24, .ws_col = 120};
	fputs("\033[H\033[J", stdout);
	while (*text && rows++ + 1 < size.ws_row) {
		const size_t line = strcspn(text, "\n");

		printf("%.*s\n", (int)(line < size.ws_col ? line : size.ws_col), text);
		text += line + (text[line] != 0);
	}
	fputs("q quits", stdout);
	fflush(stdout);
}

static void
show_domains(const json_t *ok, const json_t *before, double seconds)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return;
	remote_domains(out, ok, before, seconds);
	(void)fclose(out);
	show(text);
	free(text);
}

int
remote_top(struct remote *remote)
{
	const bool terminal = isatty(STDOUT_FILENO);
	struct termios terminal_before;
	const bool keys = terminal && keys_raw(&terminal_before);
	json_t *before = NULL, *ok;
	double then = now_s();
	int status = 0;

	for (;;) {
		double now;

		ok = remote_ask(remote, json_pack("{s:i, s:i, s:s}", "v", 1, "id", 1, "do", "ps"), -1, &status);
		if (!ok)
			break;
		now = now_s();
		if (terminal)
			show_domains(ok, before ? before : ok, now - then);
		else
			remote_domains(stdout, ok, NULL, 0);
		json_decref(before);
		before = ok;
		then = now;
		if (!terminal || quit_asked(keys))
			break;
	}
	json_decref(before);
	if (keys)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
	if (terminal)
		fputc('\n', stdout);
	return status ? status : command_end(0);
}

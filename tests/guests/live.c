/* SPDX-License-Identifier: Apache-2.0 */
/* live WHAT ..: an ordinary C program that is told nothing of being looked at and
 * ordered about while it runs:
 *
 *   live poll PATH       opens PATH again and again; says what came of it when that
 *                        is something else than the last time, and what it read
 *   live read PATH       reads from PATH, one piece after the other
 *   live cut PATH        '.' when PATH was opened, 'x' when a read of it then failed
 *   live wait PATH       the same, but it waits by poll() until there is something
 *   live talk PATH       opens PATH again and again, and says "ping" and hears
 *   live hang PATH       for each byte it hears: '.', opens PATH, which may wait; 'x' when
 *                        it failed, else '!'
 *   live keep PATH       the same, and closes nothing
 *   live kid FILE NAME [GAS]   runs FILE as a domain of its own, of that name */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caps/guest.h"

static unsigned char bytes[1 << 20];

static void
say(const char *what, int error)
{
	static int last = -1;

	if (error == last)
		return;
	last = error;
	printf("%s: %s\n", what, error ? strerror(error) : "well");
	fflush(stdout);
}

static int
poll_path(const char *path)
{
	char seen[64] = "";

	for (;;) {
		const int fd = open(path, O_RDONLY);
		char text[64] = "";

		if (fd < 0) {
			say("open", errno);
			continue;
		}
		if (read(fd, text, sizeof text - 1) < 0)
			strcpy(text, "");
		close(fd);
		say("open", 0);
		if (text[0] && strcmp(text, seen)) {
			strcpy(seen, text);
			printf("read: %s\n", text);
			fflush(stdout);
		}
		if (!strcmp(text, "end"))
			return 0;
	}
}

static int
read_path(const char *path)
{
	char text[64];

	for (;;) {
		int fd = open(path, O_RDONLY), n = 0;

		if (fd < 0) {
			say("open", errno);
			continue;
		}
		say("open", 0);
		while ((n = (int)read(fd, text, sizeof text)) > 0)
			printf("read: %.*s\n", n, text), fflush(stdout);
		say("read", n < 0 ? errno : 0);
		close(fd);
	}
}

static int
cut_path(const char *path, int by_poll)
{
	char byte;

	for (;;) {
		const int fd = open(path, O_RDONLY);
		struct pollfd want = {.fd = fd, .events = POLLIN};

		if (fd < 0) {
			usleep(300); /* who burns its share of a processor waits for others after */
			continue;
		}
		(void)!write(1, ".", 1);
		do
			if (by_poll)
				(void)poll(&want, 1, -1);
		while (read(fd, &byte, 1) == 1 && write(1, &byte, 1) == 1);
		(void)!write(1, "x", 1);
		close(fd);
	}
}

static int
talk_path(const char *path)
{
	char seen[64] = "";

	for (;;) {
		const int fd = open(path, O_RDWR);
		char text[64];
		ssize_t n = -1;

		if (fd < 0) {
			say("open", errno);
			usleep(300);
			continue;
		}
		say("open", 0);
		while (write(fd, "ping", 4) == 4 && (n = read(fd, text, sizeof text - 1)) > 0) {
			text[n] = 0;
			if (strcmp(text, seen))
				printf("heard: %s\n", strcpy(seen, text)), fflush(stdout);
			usleep(300);
		}
		say("talk", n ? errno : 0);
		close(fd);
	}
}

static int
hang_path(const char *path, int keep)
{
	char byte;

	while (read(0, &byte, 1) == 1) {
		int fd;

		(void)!write(1, ".", 1);
		fd = open(path, O_RDONLY);
		(void)!write(1, fd < 0 ? "x" : "!", 1);
		if (fd >= 0 && !keep)
			close(fd);
	}
	return 0;
}

static int
run_kid(const char *file, const char *name, unsigned long long gas)
{
	struct kh_message m = kh_message();
	FILE *from = fopen(file, "rb");
	enum { MODULE = 100, KID };

	if (!from)
		return 66;
	m.word[0] = (kh_u32)bytes;
	m.word[1] = fread(bytes, 1, sizeof bytes, from);
	m.receive[0] = MODULE;
	if (kh_call(KH_CREATOR, KH_CREATOR_LOAD, &m))
		return 1;
	m = kh_message();
	m.word[0] = 8 << 20;
	m.send[0] = MODULE;
	m.receive[0] = KID;
	m.text = name;
	m.text_bytes = (kh_u32)strlen(name);
	if (kh_call(KH_CREATOR, KH_CREATOR_MAKE, &m))
		return 2;
	m = kh_message();
	m.word[0] = gas;
	printf("runs %s\n", name);
	fflush(stdout);
	printf("rc %u", kh_call(KID, KH_DOMAIN_RUN, &m));
	printf(", reason %llu\n", (unsigned long long)m.word[0]);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "poll"))
		return poll_path(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "read"))
		return read_path(argv[2]);
	if (argc == 3 && (!strcmp(argv[1], "cut") || !strcmp(argv[1], "wait")))
		return cut_path(argv[2], argv[1][0] == 'w');
	if (argc == 3 && !strcmp(argv[1], "talk"))
		return talk_path(argv[2]);
	if (argc == 3 && (!strcmp(argv[1], "hang") || !strcmp(argv[1], "keep")))
		return hang_path(argv[2], argv[1][0] == 'k');
	if (argc >= 4 && !strcmp(argv[1], "kid"))
		return run_kid(argv[2], argv[3], argc > 4 ? strtoull(argv[4], NULL, 10) : 1ull << 60);
	fputs("usage: live poll PATH | read PATH | cut PATH | wait PATH | "
	      "talk PATH | hang PATH | keep PATH | kid FILE NAME [GAS]\n", stderr);
	return 64;
}

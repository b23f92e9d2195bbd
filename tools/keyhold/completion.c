/* SPDX-License-Identifier: Apache-2.0 */
/* completion.c - completion scripts, expanded from commands.def. */
#include <string.h>

#include "tools/keyhold/commands.h"
#include "tools/keyhold/say.h"

static bool
offers(unsigned option, unsigned command)
{
	return option_rows[option].commands >> command & 1 &&
		!(option_rows[option].flags & OPTION_HIDDEN);
}

static void
words_of_commands(const char *between)
{
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		printf("%s%s", i ? between : "", command_rows[i].text);
}

static void
bash_script(void)
{
	fputs("_keyhold() {\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words=\n"
	      "\tif ((COMP_CWORD == 1)); then\n"
	      "\t\tCOMPREPLY=($(compgen -W '", stdout);
	words_of_commands(" ");
	fputs("' -- \"$word\") $(compgen -f -- \"$word\"))\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tcase $command in\n", stdout);
	for (unsigned c = 0; c < COMMAND_COUNT; c++) {
		printf("\t%s) words='", command_rows[c].text);
		if (c == COMMAND_COMPLETION)
			fputs("bash zsh fish ", stdout);
		if (c == COMMAND_HELP)
			words_of_commands(" ");
		for (unsigned o = 0; o < OPTION_COUNT; o++)
			if (offers(o, c))
				printf("--%s ", option_rows[o].text);
		fputs("' ;;\n", stdout);
	}
	fputs("\tesac\n"
	      "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\") $(compgen -f -- \"$word\"))\n"
	      "}\n"
	      "complete -o filenames -F _keyhold keyhold\n", stdout);
}

/* Text inside '..' of a shell, and without what _arguments and fish read. */
static void
put_quoted(const char *text, const char *escape)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", stdout);
		else if (strchr(escape, *text))
			fputc('\\', stdout);
		fputc(*text, stdout);
	}
}

static void
zsh_script(void)
{
	fputs("#compdef keyhold\n"
	      "_keyhold() {\n"
	      "\tif ((CURRENT == 2)); then\n"
	      "\t\tlocal -a commands=(\n", stdout);
	for (unsigned c = 0; c < COMMAND_COUNT; c++) {
		printf("\t\t\t'%s:", command_rows[c].text);
		put_quoted(command_rows[c].summary, ":\\");
		fputs("'\n", stdout);
	}
	fputs("\t\t)\n"
	      "\t\t_describe command commands\n"
	      "\t\t_files\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tcase $words[2] in\n", stdout);
	for (unsigned c = 0; c < COMMAND_COUNT; c++) {
		printf("\t%s) _arguments -S", command_rows[c].text);
		for (unsigned o = 0; o < OPTION_COUNT; o++)
			if (offers(o, c)) {
				printf(" '%s--%s%s[", option_rows[o].flags & OPTION_MANY ? "*" : "",
					option_rows[o].text, option_rows[o].value ? "=" : "");
				put_quoted(option_rows[o].summary, "[]\\");
				printf("]%s'", option_rows[o].value ? ":value:_files" : "");
			}
		if (c == COMMAND_COMPLETION)
			fputs(" '*:shell:(bash zsh fish)'", stdout);
		else if (c == COMMAND_HELP) {
			fputs(" '*:command:(", stdout);
			words_of_commands(" ");
			fputs(")'", stdout);
		} else
			fputs(" '*:file:_files'", stdout);
		fputs(" ;;\n", stdout);
	}
	fputs("\tesac\n"
	      "}\n"
	      "compdef _keyhold keyhold\n", stdout);
}

static void
fish_script(void)
{
	for (unsigned c = 0; c < COMMAND_COUNT; c++) {
		printf("complete -c keyhold -n __fish_use_subcommand -a %s -d '", command_rows[c].text);
		put_quoted(command_rows[c].summary, "\\");
		fputs("'\n", stdout);
		for (unsigned o = 0; o < OPTION_COUNT; o++)
			if (offers(o, c)) {
				printf("complete -c keyhold -n '__fish_seen_subcommand_from %s' -l %s%s -d '",
					command_rows[c].text, option_rows[o].text,
					option_rows[o].value ? " -r" : "");
				put_quoted(option_rows[o].summary, "\\");
				fputs("'\n", stdout);
			}
	}
	fputs("complete -c keyhold -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n"
	      "complete -c keyhold -n '__fish_seen_subcommand_from help' -f -a '", stdout);
	words_of_commands(" ");
	fputs("'\n", stdout);
}

int
command_completion(int argc, char **argv)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
	struct options options;
	const int status = command_begin(COMMAND_COMPLETION, argc, argv, &options);

	if (status >= 0)
		return status;
	for (unsigned i = 0; i < 3 && options.rest_count == 1; i++)
		if (!strcmp(options.rest[0], shells[i].shell)) {
			shells[i].print();
			options_done(&options);
			return command_end(0);
		}
	say_error("completion for which shell? keyhold completion bash, zsh or fish");
	options_done(&options);
	return EXIT_USAGE;
}

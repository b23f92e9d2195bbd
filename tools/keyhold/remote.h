/* SPDX-License-Identifier: Apache-2.0 */
/* remote.h - commands on a tree that runs: the client's side of --control.
 *
 *   remote.c       options -> a request -> the answer
 *   remote_say.c   answers as tables and lines
 *   remote_top.c   top: a table that renews itself
 *
 * Callers  main.c.
 * Does     opens what is to be granted or written with its own caller's authority,
 *          and sends the descriptor with the request.
 * Errors   an exit status; the words have been said. */
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "tools/keyhold/options.h"

int command_remote(enum command command, int argc, char **argv);

struct remote {
	int fd;
	FILE *in;
	const char *path;
};

/* One request (taken), with a descriptor or -1; `ok` of its answer: the caller's. NULL:
 * words said, *ret_status is why. */
json_t *remote_ask(struct remote *remote, json_t *request, int fd, int *ret_status);

void remote_say(enum command command, const json_t *ok);
void remote_domains(FILE *out, const json_t *ok, const json_t *before, double seconds);
int remote_top(struct remote *remote);

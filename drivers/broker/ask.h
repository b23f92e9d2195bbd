/* SPDX-License-Identifier: Apache-2.0 */
/* ask.h - one request at the broker, its handles looked up.
 *
 * files.c finds the row of an operation, checks the handles, and calls its
 * serve function; those are in files.c (files themselves) and names.c (what
 * directories hold). Results are >= 0 or -(enum device_error). */
#pragma once

#include <errno.h>

#include "drivers/broker/impl.h"
#include "drivers/errors.h"

struct ask { /* one request, its handles looked up */
	struct broker *broker;
	const struct wire_request *request;
	const char *path, *path2;
	struct broker_handle *handle, *handle2;
	struct wire_reply *reply;
	char why[WIRE_WORDS_BYTES]; /* networks: the words of a refusal */
};

/* A system call's result as an answer. */
static inline int64_t
ask_answer(int64_t result)
{
	return result < 0 ? -(int64_t)device_error_of(errno) : result;
}

/* Where the request's data goes or lies: its bytes were checked. */
static inline uint8_t *
ask_piece(const struct ask *ask)
{
	return ask->broker->shared + ask->broker->layout.staging_at + ask->request->piece;
}

/* names.c */
int64_t names_mkdir(struct ask *ask);
int64_t names_unlink(struct ask *ask);
int64_t names_rmdir(struct ask *ask);
int64_t names_symlink(struct ask *ask);
int64_t names_readlink(struct ask *ask);
int64_t names_rename(struct ask *ask);
int64_t names_link(struct ask *ask);

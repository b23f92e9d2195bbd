/* SPDX-License-Identifier: Apache-2.0 */
/* hostkey.h - one key that the host gives: from its spec to what a world is told.
 *
 *   keyspec --init--> name, text --open--> descriptor --grant--> root key
 *
 * Callers  keys.c, when a run begins; control_keys.c, while it runs.
 * Never    says anything: a grant while a program runs is answered, not printed.
 * Errors   0 or -errno, words in the report; a second line of them says what to do. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/broker/broker.h"
#include "tools/keyhold/keyspec.h"
#include "tools/keyhold/start.h"

struct launch_key {
	struct keyspec spec;
	bool is_stream;  /* one of the guest's standard streams: `spec` has only a value */
	enum start_role role;
	int fd;          /* opened; -1: nothing to open, or handed over */
	enum device_file_type type;
	char *name, *text; /* as the report and images say them */
};

/* Takes the spec, also when it fails: -ENOMEM. */
int hostkey_init(struct launch_key *key, struct keyspec *spec);
/* The host's side of it, with this process's own authority. */
int hostkey_open(struct launch_key *key, struct report *report);
/* The same by a descriptor that somebody opened for it and passed on. Takes fd. */
int hostkey_adopt(struct launch_key *key, int fd, struct report *report);
/* What whoever asks for it passes on: a directory or file opened, a socket that
 * listens. Other addresses have no descriptor. */
int hostkey_send(struct launch_key *key, struct report *report);

enum hostkey_how {
	HOSTKEY_TTY = 1 << 0,   /* standard streams: --tty, --live */
	HOSTKEY_LIVE = 1 << 1,
	HOSTKEY_TIMES = 1 << 2, /* files' times are told: the clock is real */
	HOSTKEY_PRIVATE = 1 << 3, /* networks: --allow-private */
};
/* To the broker. The texts of ret_root are the key's. */
int hostkey_grant(struct broker *broker, struct launch_key *key, uint32_t how,
	struct report *report, struct start_root *ret_root);
void hostkey_done(struct launch_key *key);

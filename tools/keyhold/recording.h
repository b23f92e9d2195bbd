/* SPDX-License-Identifier: Apache-2.0 */
/* recording.h - a run in one file: what it began with, what came in, how it ended.
 *
 *   +---------+-------+---------+------+---------+---------+---------+
 *   | head 80 | setup | program | hash | journal | outcome | tail 56 |
 *   +---------+-------+---------+------+---------+---------+---------+
 *    the broker's side, before ........  worker    the broker's side, after
 *
 * Does     writes and reads the parts around the journal (kernel/journal.h).
 * Callers  taping.c (the broker's side), again.c (reads, behind the walls).
 * Never    believes a recording: any bytes may stand in one.
 * Errors   -EINVAL, words in the report.
 * Source   docs/journal-format.md has the byte offsets. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/bytes.h"
#include "kernel/base/report.h"

enum {
	RECORDING_VERSION = 2,
	RECORDING_HEAD_BYTES = 80,
	RECORDING_HASH_BYTES = 32,
	RECORDING_TAIL_BYTES = 56,
	RECORDING_OUTCOME_MAX = 1 << 20,
};

enum recording_flag {
	RECORDING_THIN = 1 << 0,  /* the program is named by its hash, its bytes are not here */
	RECORDING_IMAGE = 1 << 1, /* the run went on from an image */
	RECORDING_EDGE = 1 << 2,  /* of one subtree: its journal is the program, its name the outcome */
};

enum recording_tail_flag {
	RECORDING_CUT = 1 << 0,  /* the worker was ended: the journal may stop anywhere */
	RECORDING_TIME = 1 << 1, /* --timeout passed */
};

struct recording_head {
	uint32_t flags;
	uint64_t mem_bytes; /* what the arena is to be reserved for */
	uint64_t setup_bytes, program_bytes;
	uint8_t program_hash[32];
};

void recording_put_head(const struct recording_head *head, struct sink *sink);
int recording_get_head(struct bytes_in *in, struct report *report, struct recording_head *ret_head);

/* `head_hash` is the hash that stands before the journal; `status` the exit status
 * of the recorded command. */
void recording_put_tail(const uint8_t head_hash[32], const uint8_t *outcome, uint64_t bytes,
	uint32_t flags, uint32_t status, struct sink *sink);

struct recording { /* all of it lies in the bytes it was read from */
	struct recording_head head;
	const uint8_t *setup, *program; /* program NULL: thin */
	const uint8_t *journal, *outcome;
	uint64_t journal_bytes, outcome_bytes;
	bool cut;
};
int recording_read(const uint8_t *bytes, size_t count, struct report *report,
	struct recording *ret_recording);

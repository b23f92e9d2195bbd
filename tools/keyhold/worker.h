/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - the process in which guests run.
 *
 *   worker.c   start block, arena, program bytes -> the walls -> READY
 *   guest.c    world, keys, domain, steps -> the record
 *   until.c    stops it where a template is to be taken
 *   pen.c      what the worker itself writes: an image, a journal
 *   tape.c     a run recorded; again.c: a recorded run had again
 *   only.c     one domain of it had again alone
 *   invoke.c   words <-> values of the guest's types
 *   look.c     a module or image described, for `inspect`
 *
 * Callers  main.c, which hands over at once; each other.
 * Never    after walls_late(): a system call besides the ring's, or malloc.
 * Errors   none come back: worker_refuse() tells the broker's side and exits. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/client.h"
#include "kernel/world.h"
#include "tools/keyhold/start.h"

struct worker {
	struct client *client;
	struct host *host;
	struct start start;
	struct report report;
	const uint8_t *program; /* module or image; private to us: nobody can change it under the
	                           code that was checked */
	size_t program_bytes;
	const uint8_t *other; /* replay: the program, when the recording has it not */
	size_t other_bytes;
	const char *recording; /* replay: its name */
	bool alone;            /* it is of one subtree */
	struct world *world;
	struct domain *domain;
	uint64_t gas_before;    /* used when this process took it over */
	uint32_t pokes;         /* enum poke */
	struct record record;
};

/* Its exit status when it called abort(): 128 + SIGABRT, as a shell counts. */
enum { WORKER_ABORTED = 134 };

/* Nothing was begun. `status` is an exit status. */
_Noreturn void worker_refuse(struct worker *worker, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Behind the walls: runs the program and fills the record. */
void guest_run(struct worker *worker);

/* The same root keys in another world of ours. */
void guest_roots(struct worker *worker);
void guest_keep_image(struct worker *worker, enum start_when when);

/* Behind the walls: describes the program, runs nothing (look.c). */
void look(struct worker *worker);

/* invoke.c. Words to slots by the type: 0; -EINVAL, words in the report. */
int invoke_args(const struct functype *type, const char *name, const char *const *words,
	uint32_t count, struct report *report, uint64_t *ret_slots);
enum { INVOKE_TEXT_MAX = 40 };
/* One value as a person reads it: i32 and i64 signed, floats the shortest that
 * reads back the same. */
const char *invoke_text(uint8_t type, uint64_t bits, char text[static INVOKE_TEXT_MAX]);
const char *invoke_type_text(uint8_t type);

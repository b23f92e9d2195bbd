/* SPDX-License-Identifier: Apache-2.0 */
/* start.h - what the broker's side tells its worker, and what comes back.
 *
 *   struct start    the command line as the worker needs it: broker_words()
 *   struct record   how the run ended and what it used: client_end()
 *
 * Owns     nothing: texts of a struct read from bytes lie in those bytes.
 * Does     writes and reads both as little-endian bytes. Both processes are
 *          this program, so there is one version and no other reader.
 * Callers  launch.c (writes start, reads record), worker.c (the reverse).
 * Never    believes a record: the worker may have fallen. Its reader is total;
 *          its texts are any bytes, and are made safe before they are shown.
 * Errors   -EINVAL: not well-formed; -ENOMEM. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "caps/caps.h"
#include "kernel/base/bytes.h"
#include "kernel/base/heap.h"
#include "sandbox/walls.h"

/* Where a root key goes. */
enum start_role {
	ROLE_STDIN, ROLE_STDOUT, ROLE_STDERR, /* the guest's descriptors 0 to 2 */
	ROLE_MOUNT,   /* a directory or file at `path` */
	ROLE_NET,     /* a network key, found at `path` */
	ROLE_CLOCK,
	ROLE_ENTROPY,
	ROLE_COUNT
};

struct start_root {
	struct caps_root root;
	enum start_role role;
	const char *path; /* ROLE_MOUNT, ROLE_NET: the guest's */
	struct grant_limits limits; /* root.limits points here */
};

/* When an image is kept. */
enum start_when {
	WHEN_GAS, WHEN_STORAGE, WHEN_TRAP, WHEN_SIGNAL, /* --snapshot-on */
	WHEN_UNTIL,                                     /* where --until stopped it */
	WHEN_COUNT
};
const char *start_when_text(enum start_when when);

enum start_flag {
	START_RESUME = 1 << 0,          /* the passed file is an image, not a module */
	START_STRICT = 1 << 1,
	START_NO_ROOT = 1 << 2,
	START_STOP_ON_DENIED = 1 << 3,
	START_STOP_ON_STORAGE = 1 << 4,
	START_SWITCH = 1 << 5,          /* the reference executor */
	START_MEM_GIVEN = 1 << 6,       /* resume: the bank's limit is changed */
	START_LOOK = 1 << 7,            /* inspect: nothing is run */
	START_REPLAY = 1 << 8,          /* the passed file is a recording */
	START_EXEC = 1 << 9,            /* resume: with arguments of its own */
	START_CONTROL = 1 << 10,        /* orders may come while it runs */
	START_SPIN = 1 << 11,           /* tests: nothing is run, and it does not end */
	/* What is the run's own, and so in its recording. */
	START_OF_RUN = START_RESUME | START_STRICT | START_NO_ROOT | START_STOP_ON_DENIED |
		START_STOP_ON_STORAGE | START_SWITCH | START_MEM_GIVEN | START_EXEC,
};

/* Where it is to be stopped, for an image or to be looked at. */
enum start_until {
	UNTIL_NONE,
	UNTIL_GAS, UNTIL_STEP,                 /* replay: `until_count` */
	UNTIL_STDIN, UNTIL_EXPORT, UNTIL_CALL, /* template: `until_name`, `until_count` */
	UNTIL_COUNT
};

enum { START_NO_IMAGE = UINT32_MAX, START_NO_STREAM = UINT32_MAX };

struct start {
	uint32_t flags;       /* enum start_flag */
	uint64_t gas;         /* run: the limit; resume: so much more. GAS_NO_LIMIT */
	uint64_t mem_bytes;   /* the bank's limit */
	uint64_t stop_after;  /* safepoints; 0: off */
	const char *program;  /* the guest's name for itself, and ours for the module */
	const char *file;     /* as the user named it */
	const char *invoke;   /* NULL: the program's own entry */
	const char **args, **env;
	uint32_t args_count, env_count;
	struct start_root *roots;
	uint32_t roots_count;
	uint32_t images[WHEN_COUNT]; /* handles of streams to write them to; START_NO_IMAGE */
	uint32_t record_to;          /* the same, for the journal; START_NO_STREAM */
	uint32_t shows[2];           /* replay: where what the guest wrote to 1 and 2 is shown */
	enum start_until until;
	uint64_t until_count;
	const char *until_name;
	const char *only;            /* replay: the domain that is had again alone; NULL: none */
	struct walls_plan plan;
};

void start_write(const struct start *start, struct sink *sink);
/* Texts stay in `words`; the arrays are allocated. */
int start_read(const uint8_t *words, size_t bytes, struct start *ret_start);
void start_done(struct start *start); /* the arrays */

/* The part that is in a recording: flags to roots. Arrays from the heap; NULL:
 * from the C library. */
void start_put_run(const struct start *start, struct sink *sink);
int start_get_run(struct bytes_in *in, struct heap *heap, struct start *start);

/* --- what came of it ------------------------------------------------------ */

enum record_end {
	RECORD_REFUSED,  /* it never began: `status` and `text` say why */
	RECORD_EXIT,
	RECORD_TRAP,
	RECORD_GAS,
	RECORD_STORAGE,
	RECORD_ASKED,    /* ended or stopped because the broker's side asked */
	RECORD_REVOKED,
	RECORD_DENIED,   /* --stop-on-denied */
	RECORD_LOOKED,   /* `text` is what look.c wrote */
	RECORD_UNTIL,    /* it came to where --until is */
	RECORD_DIVERGED, /* a replay that is not the recorded run, or can go no further */
	RECORD_WAITING,  /* nothing it waits for can come; `text` says what */
	RECORD_END_COUNT
};

struct record_text { /* any bytes, not terminated */
	const char *text;
	uint32_t bytes;
};

struct record_key {
	struct record_text name, spec;
	uint32_t kind, flags;
	uint64_t seed;
	struct caps_counts counts;
};

struct record_frame {
	struct record_text func; /* empty: it has no name */
	uint32_t index, offset;  /* of the function; in the module's bytes */
};

struct record_why {
	uint64_t count;
	bool missing;
	struct record_text what, key, why, saw, allow;
};

struct record_hole {
	struct record_text name, spec;
};

struct record_value { /* of --invoke */
	uint8_t type; /* enum valtype */
	uint64_t bits;
};

enum record_image { IMAGE_NONE, IMAGE_WRITTEN, IMAGE_FAILED };
enum record_tape { TAPE_NONE, TAPE_WRITTEN, TAPE_FAILED };

/* What replay --only came to: `only_text` says why. */
enum record_only { ONLY_NONE, ONLY_SAME, ONLY_UNTIL, ONLY_DIVERGED, ONLY_CROSSED, ONLY_NOBODY };

enum { RECORD_FRAMES_MAX = 32, RECORD_KEYS_MAX = 160, RECORD_VALUES_MAX = 1000 };

struct record {
	enum record_end end;
	int32_t status;           /* REFUSED: the exit status */
	struct record_text text;  /* REFUSED: words */
	uint64_t text_offset;     /* of the input; UINT64_MAX: none */
	uint32_t code;            /* EXIT */
	struct record_text trap;
	uint64_t need;            /* GAS: gas; STORAGE: bytes */
	uint64_t gas_guest, gas_host, gas_run; /* run: this process's part */
	uint64_t gas_left;        /* GAS_NO_LIMIT */
	uint64_t storage_peak, storage_limit;
	uint64_t safepoints;      /* passed, when --stop-after counts them */
	uint64_t steps;           /* of the world */
	struct record_text program; /* its name for itself: a replay's is in its recording */
	struct record_text diverged, recorded, asked; /* DIVERGED: words; what came next, and instead */
	enum record_image image;
	enum start_when image_when;
	uint64_t image_bytes;
	int32_t image_error;      /* enum device_error */
	enum record_tape tape;    /* --record */
	uint64_t tape_bytes;      /* of the journal */
	int32_t tape_error;       /* enum device_error; of a replay's output, too */
	enum record_only only;
	struct record_text only_text;
	uint64_t only_gas, only_steps;
	struct walls_state walls;
	uint32_t frames_count, keys_count, whys_count, holes_count, values_count;
	uint32_t depth;           /* of the whole stack, in frames; at least frames_count */
	struct record_frame frames[RECORD_FRAMES_MAX]; /* the innermost first */
	struct record_key keys[RECORD_KEYS_MAX];
	struct record_why whys[WASI_WHY_MAX];
	struct record_hole holes[RECORD_KEYS_MAX];
	struct record_value values[RECORD_VALUES_MAX];
};

void record_write(const struct record *record, struct sink *sink);
/* What a replay must come to again: the same without walls and images. */
void record_write_outcome(const struct record *record, struct sink *sink);
/* Allocates the struct; texts stay in `bytes`. Caller frees. */
int record_read(const uint8_t *bytes, size_t count, struct record **ret_record);

/* Pokes: what the broker's side asks a running worker. */
enum poke {
	POKE_END = 1 << 0,  /* stop and tell how far it came */
	POKE_KEEP = 1 << 1, /* ... and write the image for WHEN_SIGNAL */
};

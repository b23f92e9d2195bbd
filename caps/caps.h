/* SPDX-License-Identifier: Apache-2.0 */
/* caps.h - what keys mean, as tools/ hand them out and ask about them.
 *
 * Owns     the root keys of a world (what the host gave) with their counters;
 *          WASI's state per domain; the last refusals of each domain.
 * Callers  tools/ only; the kernel sees `caps_all` through struct caps.
 * Never    opens anything: a root key names a handle that the device gave.
 *
 * The order of calls, for a new run:
 *
 *   world_open(.caps = &caps_all)
 *   caps_root_add()      for each stream, directory, file, clock, generator
 *   domain_new()
 *   caps_wasi_setup()    streams, mounts, arguments, environment
 *   domain_entry(), domain_start(), world_run()
 *   caps_root_at(), caps_why()   for the report
 *
 * and to go on from an image: the same caps_root_add() under the same names,
 * then image_read() binds them; caps_hole_at() lists names that nothing was
 * given for. A virtual clock and a seeded generator come with the image.
 *
 * Errors   0 or -errno, words in the report.
 * Source   design.md sections 4 and 7. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/world.h"

enum kind_id { /* ORDER KINDS */
#define KIND(name, fork, image, what) KIND_##name,
#include "caps/kinds.def"
#undef KIND
	KIND_COUNT
};

enum right {
#define RIGHT(name, bit, what) RIGHT_##name = 1 << (bit),
#include "caps/rights.def"
#undef RIGHT
};

extern const struct caps caps_all;

/* --- root keys ---------------------------------------------------------- */

enum caps_flag {
	CAPS_REAL = 1 << 0, /* clock, entropy: from the device; else virtual, seeded */
	CAPS_LIVE = 1 << 1, /* stream: a read returns what is there (a terminal, a dialogue);
	                       else it fills its buffer or meets the end, so that a file and
	                       a pipe with the same bytes look the same */
	CAPS_DATAGRAM = 1 << 3, /* socket: its connections carry datagrams, each read gives one */
	CAPS_TTY = 1 << 2,  /* stream: the guest is told it is a terminal; implies CAPS_LIVE */
};

struct caps_root {
	const char *name;     /* unique in the world, 1 to 63 bytes: "stdin", "data"; images bind by it */
	const char *spec;     /* for reports: "dir:/srv/data,ro"; at most 4096 bytes */
	enum kind_id kind;    /* directory, file, stream, clock, entropy; socket: an address rule;
	                         listener, resolver */
	uint32_t rights;      /* enum right */
	uint32_t flags;       /* enum caps_flag */
	uint32_t handle;      /* the device's; clock, entropy: none */
	uint32_t number;      /* the device's number of the grant: st_dev for guests */
	uint64_t seed;        /* entropy without CAPS_REAL */
	const struct grant_limits *limits; /* of all that is derived from it together; NULL: none */
};

/* Names and specs are copied. -EEXIST: the name is taken, and not by a root that was
 * cut, whose place it then takes; -EINVAL; -ENOMEM. At any time between two steps. */
int caps_root_add(struct world *world, const struct caps_root *root, struct report *report,
	struct key *ret_key);

struct caps_counts {
	uint64_t read, written;   /* bytes */
	uint64_t denied, missing; /* calls answered ENOTCAPABLE or for lack of a right; ENOENT */
};

struct caps_root_view {
	const char *name, *spec;
	enum kind_id kind;
	uint32_t rights, flags, handle, number;
	struct caps_counts counts;
	bool cut;
	uint64_t uses_left, bytes_left; /* UINT64_MAX: no limit */
};

/* In the order added; "/" (the synthetic root) is among them when a domain has
 * one. False past the last. */
bool caps_root_at(struct world *world, uint32_t index, struct caps_root_view *ret_view);

/* Seeded generators among the roots from `first` on draw from this seed from now on:
 * those that images brought, when many go on from one image. */
void caps_reseed(struct world *world, uint32_t first, uint64_t seed);

/* A broker cut was made on this root: nothing derived from it delivers more, and
 * who waits under it is told. How many those were. */
uint32_t caps_root_cut(struct world *world, const char *name);
/* So much may be done with all that comes from this root together. */
void caps_root_limit(struct world *world, const char *name, const struct grant_limits *limits);

/* --- WASI ----------------------------------------------------------------- */

struct wasi_mount {
	struct key key;   /* directory, or file (then it is a name in the synthetic root) */
	const char *path; /* the guest's: "/data", ".", "/net/api"; at most 4096 bytes */
};

struct wasi_named { /* a key that is only a name in the synthetic root */
	struct key key;
	const char *name;
};

struct wasi_config {
	const char *const *args; /* args[0] is the program's name */
	uint32_t args_count;
	const char *const *env;  /* "K=V" */
	uint32_t env_count;
	const struct wasi_mount *mounts; /* descriptors 3, 4, ... in this order */
	uint32_t mounts_count;
	const struct wasi_named *keys;
	uint32_t keys_count;
	struct key streams[3];   /* void: that descriptor is not open */
	struct key clock, entropy; /* void: ENOTCAPABLE */
	bool no_root;            /* no synthetic root as the last preopen */
	bool stop_on_denied;     /* the first refusal ends the domain; see caps_denied_end() */
};

/* On a domain that has not run. Everything is copied, and charged to its bank.
 * -ENOSPC: the bank; -EINVAL: a path or name (words in the report); -ENOMEM. */
int caps_wasi_setup(struct domain *domain, const struct wasi_config *config,
	struct report *report);

/* One more name in the synthetic root, at any time: the next open finds it. A name
 * whose key was cut means this one from then on, and so does a mount there. */
int caps_wasi_name(struct domain *domain, const struct key *key, const char *path,
	struct report *report);
/* Has it descriptors? Else a key is of use to it only in a slot. */
bool caps_wasi_is_set(const struct domain *domain);
/* Would the domain find it? -EINVAL, words: it has no root, or the name is taken. */
int caps_wasi_finds(struct domain *domain, const char *path, struct report *report);

/* Whether this program calls keys by itself; then it is given what it needs to
 * have domains of its own, in its first slots: before caps_wasi_setup(). */
bool caps_wants_kit(const struct module *module);
enum { CAPS_KIT_CREATOR, CAPS_KIT_METER, CAPS_KIT_BANK, CAPS_KIT_SELF, CAPS_KIT_LOG, CAPS_KIT_SLOTS };
int caps_kit(struct domain *domain, struct report *report); /* 0, -ENOSPC */
/* Its _start, if it has one that takes nothing, is what it does after initialisation. */
int caps_default_entry(struct domain *domain);
/* A purse with new money, as the host has it to give. -ENOMEM; -EOVERFLOW: all
 * money of the world would not fit 64 bits. */
int caps_mint(struct world *world, uint64_t gas, struct key *ret_key);
/* Each ended by a zero byte. -EINVAL, -ENOSPC. */
int caps_set_args(struct domain *domain, const char *text, uint32_t bytes);
/* Other arguments behind the first, for a domain that goes on from an image. -EBUSY:
 * it has asked for its arguments already (words in the report); -ENOSPC; -ENOMEM. */
int caps_wasi_args(struct domain *domain, const char *const *args, uint32_t count,
	struct report *report);

/* A key to write lines with, and the lines written: the oldest not yet taken;
 * false: none. Texts are terminated and printable. */
enum { CAPS_LINE_MAX = 255, CAPS_LOG_LINES = 64 };
struct caps_line {
	uint64_t lost; /* lines before it that were overwritten */
	char who[DOMAIN_NAME_BYTES];
	char text[CAPS_LINE_MAX + 1];
};
struct key caps_log_key(void);
bool caps_log_take(struct world *world, struct caps_line *ret_line);

/* Did `stop_on_denied` end this domain (STOP_RETURNED with code 77)? */
bool caps_denied_end(const struct domain *domain);

/* A key of the image that nothing was given for under its name. False past the last. */
struct caps_hole {
	const char *name, *spec; /* spec: as it was where the image was made */
	enum kind_id kind;
	uint32_t rights, flags;
	uint64_t seed;
};
bool caps_hole_at(struct domain *domain, uint32_t index, struct caps_hole *ret_hole);

/* What a key to something of the host's says of itself; false: it is none. */
struct caps_key_view {
	const char *name, *spec; /* of its root */
	const char *path;        /* below its root; not terminated */
	uint32_t path_bytes;
	enum kind_id root_kind;
	bool hole;               /* nothing was given for it */
};
bool caps_key_view(struct world *world, const struct key *key, struct caps_key_view *ret_view);

/* One refusal, in words: texts are terminated, cut to fit, and printable. */
struct caps_why {
	uint64_t count;      /* how often the same thing happened */
	bool missing;        /* ENOENT in the synthetic root; else refused */
	char what[160];      /* "path_open \"../etc/passwd\" for reading" */
	char key[64];        /* the root key's name; "" when there was none */
	char why[128];       /* "the path leaves the directory" */
	char saw[32];        /* "ENOTCAPABLE (76)" */
	char allow[160];     /* "--dir DIR::/etc" */
};
/* Index 0 is the newest; WASI_WHY_MAX are kept, missing names before refusals
 * make room. NULL past the last. */
enum { WASI_WHY_MAX = 16 };
const struct caps_why *caps_why(const struct domain *domain, uint32_t index);

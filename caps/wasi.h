/* SPDX-License-Identifier: Apache-2.0 */
/* wasi.h - WASI preview 1 as a personality: a table of descriptors over slots.
 *
 * Owns     struct wasi, one per domain: descriptors, the names of the synthetic
 *          root, arguments, environment, clock and generator positions, the
 *          numbers guests see for files. All charged to the domain's bank.
 * Does     each import of wasi.def as orders on keys; errno from their answers.
 * Callers  the kernel through caps_all; tools/ through caps.h.
 * Never    holds authority: a descriptor names a slot, the key in it decides.
 *
 * A call runs from its top each time something it asked for has come. What it
 * must remember between is in `stage`, `words` and domain->progress, all of
 * them in the image, so that a call can be stopped anywhere and go on.
 *
 * WASI1    a descriptor that is open has a slot of its own, or is synthetic.
 * WASI2    what was taken from the bank is what `charged` says.
 *
 * Source   design.md section 7; docs/wasi.md; docs/decisions. */
#pragma once

#include <string.h>

#include "caps/state.h"
#include "caps/wasi_abi.h"
#include "kernel/base/fits.h"
#include "kernel/prices.h"

enum {
	WASI_FDS_MAX = 16384,
	WASI_PATH_MAX = DEVICE_PATH_MAX,
	WASI_IOVS_MAX = 1024,
	WASI_POLLS_MAX = DEVICE_POLLS_MAX,
	WASI_NAMES_MAX = 1024,
	WASI_NO_SLOT = -1,
	WASI_GAS_PER_NS = 10,
	WASI_WORDS = 3,
	INODES_FIRST = 32,
};

enum { STREAM_ENDED = 1 };

enum wasi_what { /* in images: append only */
	FD_CLOSED, FD_STREAM, FD_FILE, FD_DIRECTORY, FD_SYNTHETIC,
	FD_SOCKET,   /* a connection */
	FD_LISTENER,
	FD_UNBOUND,  /* sock_open()'s, before it connects or listens; no key yet */
};

enum { PEEK_BYTES = 4096 };
struct peeked { /* taken off a connection before the guest wanted it gone */
	uint32_t at, end;
	uint8_t bytes[PEEK_BYTES];
};

struct listing { /* of a directory: read once, sorted by name, kept for the descriptor */
	uint8_t *bytes; /* records: number u64, type u8, name_bytes u32, name */
	uint64_t used, room;
	uint32_t count;
	uint64_t asked;      /* entries of the device seen so far */
	bool complete;
	uint32_t last_index; /* where the last call stopped looking ... */
	uint64_t last_at;    /* ... and where that record begins */
};

struct wasi_fd {
	uint8_t what; /* enum wasi_what */
	bool preopen;
	uint16_t flags; /* enum wasi_fdflag */
	int32_t slot;   /* WASI_NO_SLOT: synthetic */
	uint64_t base, inheriting; /* WASI's rights */
	uint64_t offset; /* a stream's: 0, or STREAM_ENDED; unbound: family, type << 8 */
	char *name; /* a preopen's; else a synthetic directory's path; unbound: the address */
	uint32_t name_bytes;
	struct listing *listing;
	struct peeked *peeked; /* FD_SOCKET: goes with the connection, so it is in no image */
};

struct wasi_name { /* one key in the synthetic root */
	char *path; /* "data", "net/api"; "": at the top itself; not terminated */
	uint32_t path_bytes;
	int32_t slot;
};

struct strings { /* arguments, environment: each terminated, one after another */
	char *bytes;
	uint32_t used, count;
};

/* What this domain knows of a file: the number it was given, and the times the
 * domain itself gave it (read when the key lacks `times`). */
struct inode {
	uint64_t inode; /* the outside's; 0: free */
	uint32_t root;
	bool doomed;    /* its last name is gone; it goes with the last descriptor */
	uint64_t number;
	uint64_t access_ns, modify_ns, change_ns;
};

struct inodes {
	struct inode *at; /* open addressing; room is a power of two */
	uint64_t count, room, next;
};

struct wasi {
	struct domain *domain;
	struct caps_state *state;
	uint64_t charged;
	uint32_t openings; /* the first of those it pays for */

	struct wasi_fd *fds;
	uint32_t fds_count; /* all of them have a meaning; FD_CLOSED: free */
	uint32_t fds_low;   /* none below it is free */
	struct wasi_name *names;
	uint32_t names_count;
	struct strings args, env;
	bool args_seen; /* it asked for its arguments: others would not reach it */
	int32_t clock_slot, entropy_slot;
	bool stop_on_denied, denied_end;

	uint64_t jumped_ns; /* virtual clock: what sleeps skipped */
	uint64_t drawn;     /* seeded generator: bytes taken so far */
	struct inodes inodes;

	/* Of the call in progress. */
	uint32_t stage;
	uint64_t words[WASI_WORDS];
	uint32_t asked; /* opening_ready()'s */
	int call_number; /* which row of wasi.def */
	bool denied;     /* it was refused: stop_on_denied looks here */
	uint64_t need;   /* what the bank had no room for */

	struct caps_why *whys; /* WASI_WHY_MAX of them, the oldest first; NULL: no refusal yet */
	uint32_t whys_count;
};

extern const struct import_def *const wasi_import_tables[];
extern const struct personality wasi_personality;

/* --- wasi.c: the frame of a call ------------------------------------------------ */

const char *wasi_name(int call_number);
struct wasi *wasi_of(const struct domain *domain);

static inline uint32_t
arg(const struct call *call, unsigned index)
{
	return (uint32_t)call->slots[index];
}

static inline uint64_t
arg64(const struct call *call, unsigned index)
{
	return call->slots[index];
}

/* Answers the call with an errno. */
enum call_end answer(struct call *call, enum wasi_errno error);
/* How far a long call is, of `bytes`: what it asks for may have been changed
 * since it began, by whoever may change the domain's memory. */
uint64_t *progress(struct call *call, uint64_t bytes);
/* Answers that the bank has no room, which wasi_take() found; or stops, if the
 * domain stops when dry: then nothing was changed and the call runs again. */
enum call_end no_space(struct call *call, struct wasi *wasi);
/* Has the bank room for one more descriptor over something opened at a path? */
bool fd_room(struct wasi *wasi, uint64_t path_bytes);
/* Charges the call's whole price, `more` beside its fixed part. */
bool charge(struct call *call, uint64_t more);
/* From a device's result below 0. */
enum wasi_errno errno_of_device(int64_t result);
/* An answer for a refused order: counts it, says why. `path` may be empty. */
enum call_end refuse(struct call *call, struct wasi *wasi, enum rc rc, const struct key *key,
	struct path path, const char *need);
/* An answer for a device's error about a path or file: counts it, says why. */
enum call_end device_answer(struct call *call, struct wasi *wasi, int64_t result,
	const struct key *key, struct path path);
/* The device's answer to the request that `rc` came with is there. false: return
 * *ret_end; it is on its way, or was refused. `need`: what the key lacks, in words. */
bool device_answered(struct call *call, struct wasi *wasi, enum rc rc,
	struct device_request *request, const struct key *key, struct path path,
	const char *need, enum call_end *ret_end);

/* Memory of the domain: charged, zeroed. NULL: no space. */
void *wasi_take(struct wasi *wasi, uint64_t bytes);
void wasi_give(struct wasi *wasi, void *block, uint64_t bytes);
void *wasi_resize(struct wasi *wasi, void *block, uint64_t from, uint64_t to);

/* Little-endian words of guest memory; `at` comes from call_mem(). */
static inline void
store_word(uint8_t *at, uint64_t value, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t
load_word(const uint8_t *at, unsigned width)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < width; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

/* --- wasi_fds.c --------------------------------------------------------------- */

struct wasi_fd *fd_at(struct wasi *wasi, uint32_t number); /* NULL: not open */
/* The key of a descriptor: its slot's, or a void key. */
const struct key *fd_key(struct wasi *wasi, const struct wasi_fd *fd);
/* The lowest free number, made to exist; -1: no space, or, with fds_count ==
 * WASI_FDS_MAX, too many. */
int32_t fd_free(struct wasi *wasi);
/* Puts a key into a slot of the domain's and a descriptor over it; -1: no space. */
int32_t fd_over_key(struct wasi *wasi, const struct key *key, enum wasi_what what);
void fd_drop(struct wasi *wasi, struct wasi_fd *fd);
struct root *fd_root(struct wasi *wasi, const struct wasi_fd *fd); /* NULL: void or synthetic */
uint8_t fd_filetype(struct wasi *wasi, const struct wasi_fd *fd);
uint64_t rights_base(enum wasi_what what, uint32_t key_rights);
uint64_t rights_inheriting(enum wasi_what what);
/* The opening behind a slot is LIVE, or its order will say why not; false:
 * return *ret_end, it is being opened again. */
bool slot_ready(struct call *call, struct wasi *wasi, int32_t slot, enum call_end *ret_end);
void listing_free(struct wasi *wasi, struct wasi_fd *fd);
void slot_clear(struct wasi *wasi, int32_t slot); /* ends what was opened for it */

static inline bool
fd_is_socket(const struct wasi_fd *fd)
{
	return fd->what == FD_SOCKET || fd->what == FD_LISTENER || fd->what == FD_UNBOUND;
}

static inline bool
fd_flows(const struct wasi_fd *fd) /* it has no position */
{
	return fd->what == FD_STREAM || fd_is_socket(fd);
}

/* --- wasi_file.c, wasi_sock.c --------------------------------------------------- */

/* fd_write() and sock_send() from their first line; where the count goes. */
enum call_end write_begin(struct call *call, struct wasi *wasi, uint32_t result_index, bool own);
/* fd_read() of a socket. */
enum call_end sock_receive(struct call *call, struct wasi *wasi, uint32_t result_index);
/* What CONNECT or ACCEPT gave under the key as a descriptor; -1: no space. */
int32_t sock_keep(struct wasi *wasi, const struct key *key,
	const struct device_completion *completion);
/* Room for a descriptor of a connection; false: answered, *ret_end. */
bool sock_room(struct call *call, struct wasi *wasi, enum call_end *ret_end);
bool key_is_datagram(struct wasi *wasi, const struct key *key);
void peeked_free(struct wasi *wasi, struct wasi_fd *fd);

/* --- wasi_place.c ---------------------------------------------------------------- */

enum place_kind {
	PLACE_BENEATH,   /* `path` beneath the directory key in `slot` */
	PLACE_KEY,       /* the key in `slot` itself: a file or stream named `path` */
	PLACE_SYNTHETIC, /* the synthetic directory `path` */
	PLACE_MISSING,   /* no such name in the synthetic root: `path` */
};

struct place {
	enum place_kind kind;
	int32_t slot;
	struct path path; /* in guest memory, or in `buffer` */
	bool slash;       /* the guest's path ended in one */
	bool in_synthetic; /* MISSING: only the last name is */
	char buffer[WASI_PATH_MAX + 2];
};

/* The guest's path at [at, at + bytes) under a descriptor with this right.
 * False: return *ret_end. */
bool place_find(struct call *call, struct wasi *wasi, uint32_t fd_number, uint64_t right,
	uint32_t at, uint32_t bytes, struct place *ret_place, enum call_end *ret_end);
/* The same for a path in the synthetic root: `from` is a directory of it. */
enum wasi_errno place_walk(struct wasi *wasi, struct path from, struct path path,
	struct place *ret_place);
/* One path below another, without "." and empty names; "." if nothing is left.
 * `to` has WASI_PATH_MAX bytes; false if it does not fit. */
bool path_join(struct path top, struct path path, char *to, uint32_t *ret_bytes);
/* The call's answer for a name that is not in the synthetic root. */
enum call_end place_missing(struct call *call, struct wasi *wasi, const struct place *place);
/* ... and for one there that cannot be changed or made. */
enum call_end place_fixed(struct call *call, struct wasi *wasi, const struct place *place);
/* A guest's mount path as a name: no leading "/" or "./", no "." or "//"; false
 * if it leaves the top. `to` has WASI_PATH_MAX bytes. */
bool path_normal(const char *path, char *to, uint32_t *ret_bytes);

/* --- wasi_stat.c ---------------------------------------------------------------- */

/* The number this domain knows a file by; 0: no space for one. */
uint64_t inode_number(struct wasi *wasi, uint32_t root, uint64_t inode);
struct inode *inode_find(struct wasi *wasi, uint32_t root, uint64_t inode); /* NULL */
bool inode_restore(struct wasi *wasi, const struct inode *from); /* false: no space */
void inode_forget(struct wasi *wasi, uint32_t root, uint64_t inode); /* its last name went */
void inode_closed(struct wasi *wasi, uint32_t root, uint64_t inode); /* a descriptor went */
/* The domain made or changed it now: its times, where the key does not tell real ones. */
void inode_touch(struct call *call, struct wasi *wasi, const struct key *key, uint64_t inode,
	uint32_t fstflags, uint64_t access_ns, uint64_t modify_ns);
/* Answers with a stat as guests see it, in 64 bytes of their memory. */
enum call_end stat_answer(struct call *call, struct wasi *wasi, const struct key *key,
	const struct device_stat *stat, uint8_t *to);
void stat_put_synthetic(struct path path, uint8_t *to);
uint8_t filetype_of(uint8_t device_type);
/* fst_flags to the device's; false: both of a pair. */
bool times_flags(uint32_t fstflags, uint32_t *ret_flags);

/* --- wasi_names.c ---------------------------------------------------------------- */

/* Looks at the directory a name is in, before it is changed, if the domain keeps
 * times for its key: words[word] is its inode then, and the stage the next. Only
 * in this stage; false: return *ret_end. */
bool parent_looked(struct call *call, struct wasi *wasi, const struct place *place, uint32_t stage,
	unsigned word, enum call_end *ret_end);
/* The directory looked at was changed. */
void parent_changed(struct call *call, struct wasi *wasi, const struct place *place, unsigned word);

/* --- wasi_clock.c ----------------------------------------------------------------- */

uint64_t clock_virtual(struct call *call, const struct wasi *wasi);

/* --- why.c ------------------------------------------------------------------------ */

/* Room for refusals, from the first one on; false: the bank has none. */
bool why_room(struct wasi *wasi);
/* What RC_REVOKED is about: a cut, or a limit of a grant. */
const char *why_revoked(struct wasi *wasi, const struct key *key);
void why_say(struct wasi *wasi, enum wasi_errno saw, const struct key *key, struct path path,
	const char *why, const char *allow_before, struct path allow);

/* --- wasi_image.c ------------------------------------------------------------------ */

void wasi_image_write(struct domain *domain, struct sink *sink);
int wasi_image_read(struct domain *domain, struct bytes_in *in, struct report *report);

/* --- wasi_setup.c ------------------------------------------------------------------ */

/* The slot of a key by the guest's name for it ("/data", "net/api"; "stdin", "clock"
 * and the like if no key has that name); -1: none. `name` is shorter than
 * WASI_PATH_MAX. And how many names there are. */
int32_t wasi_find(const struct wasi *wasi, const char *name, uint32_t bytes);
uint32_t wasi_names(const struct wasi *wasi);
bool wasi_make(struct domain *domain);
uint64_t wasi_opened(const struct domain *domain);
void wasi_end(struct domain *domain);

#define WASI(name, sig, key, right) \
	enum call_end wasi_##name(struct call *call, struct wasi *wasi);
#include "caps/wasi.def"
#undef WASI
#define EDGE(function, name, sig, key, right) \
	enum call_end edge_##function(struct call *call, struct wasi *wasi);
#include "caps/wasi_edge.def"
#undef EDGE

/* SPDX-License-Identifier: Apache-2.0 */
/* state.h - root keys, and what was opened under them.
 *
 * Owns     struct root (what the host gave, with its counters) and struct
 *          opening (one handle of the device, at one path below one root).
 * Does     makes keys to them, finds what a key means, opens again what an
 *          image only named, closes.
 * Callers  caps/ only; tools/ sees caps.h.
 *
 *   key.object, key.generation -> opening -> root -> counters
 *   key.grant -> the root's grant, or one derived from it: alive or cut
 *
 * CAPS1    a key whose generation is not its opening's is a key to the void.
 * CAPS2    an opening that is LIVE has a handle that nobody else closes.
 * CAPS4    a key to an opening is under the opening's grant or one below it.
 *
 * Source   design.md section 4 (derivation, images). */
#pragma once

#include "caps/caps.h"

enum rc {
#define RC(name, number, text) RC_##name = (number),
#include "caps/rc.def"
#undef RC
};

enum { CAPS_NAME_MAX = 63, CAPS_SPEC_MAX = 4096, CAPS_ROOTS_MAX = 1024, OPENING_NONE = -1,
	CAPS_CLOSE_PIECE = 64 /* openings looked at in one step after a cut */ };
enum { NETWORK_ADDRESSES_BYTES = 4096 }; /* of one answer of a resolver at most */
#define OPENING_NOT UINT32_MAX

enum opening_state {
	OPENING_FREE,
	OPENING_LIVE, /* `handle` is open */
	OPENING_LOST, /* named by an image; opened again when it is next used */
	OPENING_GONE, /* could not be opened again, or was closed by a cut: `error` */
};

struct opening {
	uint32_t generation;
	uint32_t root;   /* index; of the next free one while FREE */
	uint32_t handle;
	uint32_t mode;   /* DEVICE_FOR_READ, ...: how it is opened again */
	uint8_t kind;    /* enum kind_id */
	uint8_t state;   /* enum opening_state */
	uint8_t type;    /* enum device_file_type */
	uint8_t error;   /* GONE: enum device_error */
	uint64_t inode;  /* the outside's; guests see a number instead */
	char *path;      /* below the root, for opening it again; not terminated */
	uint32_t path_bytes;
	uint32_t grant, grant_generation; /* of the key it was opened with; GRANT_NONE: a root's own */
	struct domain *payer; /* whose bank holds it; NULL: the world's own */
	uint32_t next, prev;  /* among those of its payer; OPENING_NOT: none */
};

struct root {
	char name[CAPS_NAME_MAX + 1];
	char *spec; /* terminated */
	enum kind_id kind;
	uint32_t rights, flags, number;
	uint64_t seed;
	uint32_t opening;
	uint32_t grant, grant_generation;
	struct caps_counts counts;
	bool synthetic; /* "/": counters only */
	bool missing;   /* an image's, and nothing is given for it: a key to it is a hole, which
	                   does nothing but go into the next image */
};

struct hole { /* a key of an image that nothing was given for */
	struct domain *domain;
	char name[CAPS_NAME_MAX + 1];
	char *spec; /* terminated; as it was where the image was made */
	enum kind_id kind;
	uint32_t rights, flags;
	uint64_t seed;
};

struct log { /* a ring */
	uint64_t written, taken;
	struct caps_line lines[CAPS_LOG_LINES];
};

struct caps_state {
	struct world *world;
	struct heap *heap;
	struct root *roots;
	uint32_t roots_count, roots_room;
	struct opening *openings;
	uint32_t openings_count, openings_room, openings_free; /* free: UINT32_MAX ends */
	struct hole *holes;
	uint32_t holes_count, holes_room;
	struct call *call; /* WASI's call in progress: keys are used for it; NULL: none */
	struct log *log; /* kind_log.c; NULL: nothing was written yet */
	uint64_t brands; /* so many sealers were made */
	uint64_t *imaged_brands; /* of the image in progress, in the order they came */
	uint32_t imaged_brands_count, imaged_brands_room;
	char words[REPORT_BYTES_MAX]; /* of an order that is about to be answered */
	uint8_t *piece; /* DEVICE_PIECE_BYTES: where scattered writes, and texts of answers, are
	                   gathered; of use until the order or call is over */
};

/* Made when first asked for; NULL: no memory. */
struct caps_state *caps_state(struct world *world);
void caps_world_end(struct world *world);

struct root *root_at(struct caps_state *state, uint32_t index);
int32_t root_find(struct caps_state *state, const char *name, uint32_t name_bytes); /* -1 */
/* The root that is missing under that name; -1. */
int32_t root_find_missing(struct caps_state *state, const char *name, uint32_t name_bytes);
/* ... and made if there is none; -1: no such root can be, or no memory. */
int32_t root_missing(struct caps_state *state, const struct caps_root *config);
/* The entry that counts for the synthetic root; -1: no memory. */
int32_t root_synthetic(struct caps_state *state);

/* A new opening, LIVE, path copied; charged to the payer's bank if there is
 * one. It is closed when the grant of the key it was opened with is cut; NULL: it
 * is a root's own. UINT32_MAX: no space. */
uint32_t opening_new(struct caps_state *state, const struct opening *like, const struct key *under);
/* The first of a domain's openings (wasi_setup.c keeps the place); NULL: no space. */
uint32_t *opening_list(struct domain *payer);
/* What the openings from this one on hold of their payer's bank. */
uint64_t openings_cost(const struct caps_state *state, uint32_t first);
/* Ends it: keys to it are void from now on; the device closes its handle. */
void opening_end(struct caps_state *state, uint32_t index);
struct opening *opening_of(struct caps_state *state, const struct key *key); /* NULL: void, a hole */
struct opening *opening_kept(struct caps_state *state, const struct key *key); /* also a hole's */
bool key_is_hole(struct caps_state *state, const struct key *key);

/* A key to an opening; its grant is the root's own. */
struct key key_to(struct caps_state *state, uint32_t opening, uint32_t rights);
/* Room for one more element of `bytes` in an array of the state. */
bool array_room(struct heap *heap, void **array, uint32_t count, uint32_t *room, uint64_t bytes);

/* What a key means: RC_OK and its opening (which may be LOST or GONE), or why not. */
enum rc key_use(struct caps_state *state, const struct key *key, enum kind_id kind, uint32_t rights,
	struct opening **ret_opening);

/* Sees that the key's opening is LIVE: true at once, or after a request of this call.
 * False: return *ret_end (CALL_WAIT), or the opening is GONE, or the key was cut,
 * when *ret_end is CALL_DONE. `asked` is the caller's: nonzero while its request is in flight. */
bool opening_ready(struct call *call, struct caps_state *state, const struct key *key, uint32_t *asked,
	enum call_end *ret_end);

/* struct kind's columns for keys with an opening (root_image.c). */
void root_image_write(struct world *world, const struct key *key, struct sink *sink);
bool root_key_open(struct world *world, const struct key *key, bool make); /* struct caps */
void log_image_write(struct world *world, const struct key *key, struct sink *sink);
bool log_image_bind(struct world *world, struct domain *domain, struct bytes_in *in,
	struct key *ret_key);
bool root_image_bind(struct world *world, struct domain *domain, struct bytes_in *in,
	struct key *ret_key);
void root_image_under(struct world *world, const struct key *key);
/* struct caps' close_cut. */
bool openings_close_cut(struct world *world, uint32_t *at);

/* --- orders: rights are checked here, a request comes out (kind_*.c) -------- */

enum rc stream_read(struct caps_state *state, const struct key *key, uint32_t bytes,
	uint32_t flags, struct device_request *ret_request);
enum rc stream_write(struct caps_state *state, const struct key *key, const uint8_t *data,
	uint32_t bytes, struct device_request *ret_request);
bool stream_is_live(struct caps_state *state, const struct key *key);
bool stream_is_tty(struct caps_state *state, const struct key *key);

/* A rule or connection (kind_socket.c), a listener, a resolver. */
struct path { /* not terminated */
	const char *text;
	uint32_t bytes;
};

bool socket_is_connection(const struct opening *o);
/* `to` empty: the only address that the rule names. */
enum rc socket_connect(struct caps_state *state, const struct key *key, struct path to,
	struct device_request *ret_request);
enum rc socket_narrow(struct caps_state *state, const struct key *key, struct path pattern,
	struct device_request *ret_request);
enum rc network_resolve(struct caps_state *state, const struct key *key, struct path name,
	struct device_request *ret_request);
enum rc listener_accept(struct caps_state *state, const struct key *key, uint32_t flags,
	struct device_request *ret_request);
enum rc socket_read(struct caps_state *state, const struct key *key, uint32_t bytes,
	uint32_t flags, struct device_request *ret_request);
enum rc socket_write(struct caps_state *state, const struct key *key, const uint8_t *data,
	uint32_t bytes, uint32_t flags, struct device_request *ret_request);
enum rc socket_shutdown(struct caps_state *state, const struct key *key, uint32_t flags,
	struct device_request *ret_request);
enum rc network_address(struct caps_state *state, const struct key *key, uint32_t flags,
	struct device_request *ret_request);
/* Of a connection or listener: the handle to wait for. want: bit 0 reading, bit 1 writing. */
enum rc network_poll(struct caps_state *state, const struct key *key, uint8_t want,
	uint32_t *ret_handle);
/* What CONNECT or ACCEPT gave under `key`, and NARROW: keys that the payer pays for.
 * Void: no space; the handle is closed again. */
struct key connection_key(struct caps_state *state, const struct key *key,
	const struct device_completion *completion, struct domain *payer);
struct key narrowed_key(struct caps_state *state, const struct key *key,
	const struct device_completion *completion, struct path pattern, struct domain *payer);

enum file_where { FILE_AT, FILE_APPEND };
enum rc file_read(struct caps_state *state, const struct key *key, uint64_t offset, uint32_t bytes,
	struct device_request *ret_request);
enum rc file_write(struct caps_state *state, const struct key *key, enum file_where where,
	uint64_t offset, const uint8_t *data, uint32_t bytes, struct device_request *ret_request);
enum rc file_sync(struct caps_state *state, const struct key *key, uint32_t flags,
	struct device_request *ret_request);
enum rc file_resize(struct caps_state *state, const struct key *key, uint64_t bytes,
	struct device_request *ret_request);
enum rc file_allocate(struct caps_state *state, const struct key *key, uint64_t offset,
	uint64_t bytes, struct device_request *ret_request);
enum rc file_stat(struct caps_state *state, const struct key *key,
	struct device_request *ret_request);
enum rc file_times(struct caps_state *state, const struct key *key, uint32_t flags,
	uint64_t access_ns, uint64_t modify_ns, struct device_request *ret_request);

enum rc directory_open(struct caps_state *state, const struct key *key, struct path path,
	uint32_t flags, struct device_request *ret_request);
/* What a key to the thing opened may do: the directory's rights, cut by the mode. */
uint32_t directory_opened_rights(const struct key *key, uint32_t flags);
enum rc directory_list(struct caps_state *state, const struct key *key, uint64_t first,
	struct device_request *ret_request);
enum rc directory_stat(struct caps_state *state, const struct key *key,
	struct device_request *ret_request);
enum rc directory_sync(struct caps_state *state, const struct key *key, uint32_t flags,
	struct device_request *ret_request);
enum rc directory_stat_at(struct caps_state *state, const struct key *key, struct path path,
	uint32_t flags, struct device_request *ret_request);
enum rc directory_times(struct caps_state *state, const struct key *key, struct path path,
	uint32_t flags, uint64_t access_ns, uint64_t modify_ns, struct device_request *ret_request);
enum rc directory_readlink(struct caps_state *state, const struct key *key, struct path path,
	uint32_t bytes, struct device_request *ret_request);
/* MKDIR, UNLINK, RMDIR. */
enum rc directory_change(struct caps_state *state, const struct key *key, enum device_op op,
	struct path path, struct device_request *ret_request);
enum rc directory_symlink(struct caps_state *state, const struct key *key, struct path path,
	struct path says, struct device_request *ret_request);
/* RENAME, LINK. Both keys must come from one root: else RC_BAD_WORD. */
enum rc directory_two(struct caps_state *state, enum device_op op, const struct key *from,
	struct path path, const struct key *to, struct path path2, struct device_request *ret_request);

enum rc clock_check(struct caps_state *state, const struct key *key, uint32_t right, bool *ret_real);
enum rc clock_ask(struct caps_state *state, const struct key *key, uint32_t flags,
	struct device_request *ret_request);
enum rc clock_sleep(struct caps_state *state, const struct key *key, uint64_t ns,
	struct device_request *ret_request);

enum rc entropy_check(struct caps_state *state, const struct key *key, bool *ret_real);
enum rc entropy_ask(struct caps_state *state, const struct key *key, uint32_t bytes,
	struct device_request *ret_request);
/* Bytes [at, at + bytes) of the stream of this key's seed: ChaCha20. */
void entropy_draw(struct caps_state *state, const struct key *key, uint64_t at, uint8_t *to,
	uint64_t bytes);

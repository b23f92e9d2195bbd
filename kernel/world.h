/* SPDX-License-Identifier: Apache-2.0 */
/* world.h - all domains of one worker: one thread, one at a time.
 *
 * Owns     heap, typebook, modules, grants, lines, banks, domains, the table of
 *          requests in flight, the ready queue, the journal.
 * Does     one step: take completions, pick a ready domain, switch lines, run a
 *          slice, settle, answer what it stopped for.
 * Never    makes a system call, reads a clock, or looks into a key's meaning:
 *          kinds and imports are tables that caps/ hands in.
 *
 * WORLD1   same world + same completions = same bytes out.
 * WORLD2   a domain is in the ready queue iff it is READY.
 * WORLD3   what a domain used, guest and host, its line lost.
 * WORLD4   a request in flight has one owner that waits for it, or none.
 *
 * Source   design.md sections 4 to 6. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/bank.h"
#include "kernel/base/heap.h"
#include "kernel/base/report.h"
#include "kernel/device.h"
#include "kernel/grant.h"
#include "kernel/host.h"
#include "kernel/key.h"
#include "kernel/line.h"
#include "kernel/wasm/engine.h"

struct domain;
struct world;
struct call;

/* --- what caps/ hands in ------------------------------------------------- */

/* What one import call came to. */
enum call_end {
	CALL_DONE,    /* results are in place; the guest goes on */
	CALL_WAIT,    /* a request is in flight, or the device is full: run it again
	                 from the top when something completes */
	CALL_DRY,     /* call_charge() said no: the domain stops out of gas, and the call
	                 runs again from the top after a refuel */
	CALL_TRAP,    /* call->trap */
	CALL_EXIT,    /* call->code: the domain returned (proc_exit) */
	CALL_YIELD,   /* call->word: the run that drives it returns `yielded`; the call runs
	                 again from the top when the domain is started again */
	CALL_FULL,    /* call_take() said no and the domain stops when dry: it stops out of
	                 storage, and the call runs again from the top when started */
};

/* An import that caps serve. `sig` as "iil:i": params, colon, results; i I f F
 * for i32 i64 f32 f64. ORDER is not significant: images name imports. */
struct import_def {
	const char *module, *name, *sig;
	enum call_end (*run)(struct call *call);
};

enum kind_fork { FORK_SHARE, FORK_FRESH, FORK_VOID };

/* A kind's row (caps/kinds.def). */
struct kind {
	const char *name;
	enum kind_fork fork;
	/* The key as its name and attenuations, never authority; and back, bound to
	 * what this world holds: false leaves the slot void (a hole). */
	void (*image_write)(struct world *world, const struct key *key, struct sink *sink);
	bool (*image_bind)(struct world *world, struct domain *domain, struct bytes_in *in,
		struct key *ret_key);
	/* A key of this kind was cut: close what was opened under it. */
	void (*on_cut)(struct world *world, const struct key *key);
};

/* A personality keeps state per domain (WASI's descriptors): made with the
 * domain, charged to its bank, written and read with it. */
struct personality {
	bool (*make)(struct domain *domain);
	void (*end)(struct domain *domain);
	void (*image_write)(struct domain *domain, struct sink *sink);
	int (*image_read)(struct domain *domain, struct bytes_in *in, struct report *report);
};

struct caps { /* caps/caps.c: const struct caps caps_all */
	const struct kind *kinds;
	uint32_t kinds_count;
	const struct import_def *const *import_tables; /* NULL-terminated; each ends with a NULL name */
	const struct personality *personality;
	/* Frees what caps put under world_caps(); before the world's heap goes. May be NULL. */
	void (*world_end)(struct world *world);
};

/* --- domains -------------------------------------------------------------- */

enum domain_state {
	DOMAIN_READY,   /* has a step to run */
	DOMAIN_WAITING, /* a request is in flight */
	DOMAIN_STOPPED, /* see `stop` */
};

enum stop_reason { /* ORDER STOPS: stored in images */
	STOP_NONE, STOP_RETURNED, STOP_YIELDED, STOP_OUT_OF_GAS, STOP_OUT_OF_STORAGE, STOP_TRAP,
	STOP_CALLED, STOP_WAITING, STOP_REVOKED, STOP_ENDED, STOP_STEPPED,
	STOP_COUNT
};

struct stop {
	enum stop_reason reason;
	uint32_t code;   /* RETURNED: exit code */
	uint64_t word;   /* YIELDED */
	uint64_t need;   /* OUT_OF_GAS: gas; OUT_OF_STORAGE: bytes */
	enum trap trap;  /* TRAP */
};

enum {
	SLOTS_MAX = 4096,
	DOMAIN_NAME_BYTES = 32,
	DOMAIN_PRELOADS_MAX = 64,
	/* Storage every domain pays for at once, so that a request of this size is
	 * never refused for lack of storage; larger pieces are charged while in flight. */
	DOMAIN_STAGING_BYTES = 8 << 10,
};

struct domain {
	struct world *world;
	struct domain *parent, *first, *last; /* the tree: those below it, oldest first, ... */
	struct domain *next, *prev;           /* ... and its place among its likes */
	struct domain *queue_next, *queue_prev;      /* in the ready or the stalled queue */
	struct queue *queue;                         /* which one; NULL: in none */
	char name[DOMAIN_NAME_BYTES]; /* last part of its path: "main"; terminated */
	uint32_t id, generation;
	uint32_t mark; /* its index while an image of it is written */
	enum domain_state state;
	struct stop stop;
	bool stop_when_dry;
	struct store *store;
	uint32_t instance;   /* the program's */
	/* What it does next when nothing is on its stack: each instance is initialised
	 * in its turn, then the entry is called, if there is one. */
	uint32_t inits_begun;
	bool has_entry, entered; /* an entry waits; the last one has begun */
	uint32_t entry_func, entry_args_count;
	uint64_t *entry_args; /* until it has begun */
	uint64_t slice_left; /* of the slice it is in; 0: a new one begins */
	struct line line;
	struct bank bank;
	struct key *slots;   /* slots_count of them */
	uint32_t slots_count;
	struct key keeper;
	void *personality;   /* caps' state of it */
	uint64_t gas_guest, gas_host; /* of its whole life, images included */

	/* The call in progress, if any. */
	uint64_t request;    /* in flight; 0 = none */
	uint64_t staging;    /* charged for it beyond DOMAIN_STAGING_BYTES */
	bool completed;      /* `completion` has its answer */
	struct device_completion completion;
	uint64_t progress;   /* how much of a long call is committed; in the image */
	uint64_t charged;    /* gas already charged for the call; in the image */
	/* Of the last run. While the stop is STOP_RETURNED and `entered`, its slots
	 * hold the entry's results; NULL in a domain read from an image. */
	struct exec_result pending;
};

/* --- one import call, as caps see it --------------------------------------- */

struct call {
	struct world *world;
	struct domain *domain;
	uint32_t instance;    /* who calls: its memory is meant */
	const struct functype *type;
	uint64_t *slots;      /* arguments; results replace them */
	const struct device_completion *completion; /* NULL until the request completed */
	enum trap trap;
	uint32_t code;
	uint64_t word;
};

/* [at, at + bytes) of the caller's memory, or NULL. */
uint8_t *call_mem(struct call *call, uint64_t at, uint64_t bytes);
/* L7: charges host gas once per call up to this total (calls that run again
 * are not charged twice): false means return CALL_DRY, before any change. The
 * total includes PRICE_HOST_CALL, which was charged before the call ran.
 * Prices are in kernel/prices.h. A call charges (and takes) all that a request
 * may cost before it submits it: with a completion in hand it cannot be
 * rewound, so no image could be made of a domain that stops there. */
bool call_charge(struct call *call, uint64_t gas_total);
/* So many bytes more are stored for the domain; bank_give() returns them.
 * false: its bank has no room. Then return CALL_FULL if the domain stops when
 * dry (domain->stop_when_dry), before any change; else answer an error. */
bool call_take(struct call *call, uint64_t bytes);
/* Sends a request for this call and returns CALL_WAIT. The call runs again
 * from the top and then sees `completion`. The request's id is filled in.
 * Reads, writes and lists longer than the bank has room for are cut down to
 * what it has, at least DOMAIN_STAGING_BYTES: the result tells. */
enum call_end call_submit(struct call *call, struct device_request *request);
/* The completion was used, its data is gone; another request may follow in the
 * same call. A call that ends has consumed. */
void call_consume(struct call *call);

/* What the domain's line has used as of now, this call's charge included: the
 * virtual clock reads it. */
uint64_t call_used(struct call *call);

/* Orders of caps that have no caller of their own (closing a handle when a
 * descriptor goes): sent, if need be later, and the completion dropped. They
 * carry no data and no paths. */
void world_submit_detached(struct world *world, struct device_request *request);

/* What caps need of a world: their own state in it (root keys; NULL until they
 * put it there), its heap, its grants. */
void **world_caps(struct world *world);
struct heap *world_heap(struct world *world);
struct grants *world_grants(struct world *world);

/* --- worlds --------------------------------------------------------------- */

struct world_config {
	struct host *host;
	struct device *device;
	const struct caps *caps;
	enum executor executor;
	uint64_t slice; /* gas; 0: SLICE_GAS */
	/* Asked between steps: true makes world_run() return. May be NULL. */
	bool (*poked)(void *user);
	void *user;     /* tools': caps and the world never look at it */
};

enum { SLICE_GAS = 10000000 };

/* A module instantiated before the program, in order: its exports serve imports
 * of those after it that name it. */
struct preload {
	const char *name;
	struct module *module;
};

struct domain_config {
	const char *name;
	struct module *module;
	const struct preload *preloads;
	uint32_t preloads_count; /* at most DOMAIN_PRELOADS_MAX */
	uint64_t gas;        /* GAS_NO_LIMIT */
	uint64_t bank_bytes; /* limit */
	bool stop_when_dry;  /* STOP_WHEN_DRY */
	bool strict;         /* an unknown function import is an error, not TRAP_IMPORT when called */
};

struct world *world_open(const struct world_config *config); /* NULL: no memory */
void world_close(struct world *world); /* NULL is fine; ends all domains, cancels what is in flight */
const struct world_config *world_config(const struct world *world);
struct clock_gas *world_clock(struct world *world);
struct bank *world_bank(struct world *world); /* the root bank, without a limit */

/* By its place; domains that ended are NULL. Generation tells a reused id. */
struct domain *world_domain(struct world *world, uint32_t id);
uint32_t world_domains(const struct world *world); /* ids are below it */

/* Module from bytes (borrowed; kept alive by the caller). See module_load(). */
int world_module(struct world *world, const uint8_t *bytes, size_t count, struct report *report,
	struct module **ret_module);

/* A domain with its program linked and its initialisation on the stack; it is
 * stopped (STOP_NONE) until domain_start(). 0; -ENOENT, -EINVAL (imports);
 * -ENOSPC (the bank); -ENOMEM. */
int domain_new(struct world *world, const struct domain_config *config, struct report *report,
	struct domain **ret_domain);
void domain_end(struct domain *domain); /* with all below it; NULL is fine */

/* What it does after initialisation: call a function of its program, by index,
 * with these args. 0; -EINVAL: no such function, or not so many parameters;
 * -EBUSY: something is on its stack, or another entry; -ENOMEM; -ENOSPC. */
int domain_entry(struct domain *domain, uint32_t func, const uint64_t *args, uint32_t args_count);
/* READY: also after a refuel, more storage, a yield. One that trapped or ended
 * stays so; one that returned goes on if it has a new entry. */
void domain_start(struct domain *domain);
void domain_feed(struct domain *domain, uint64_t gas); /* adds to its line's limit */

/* A free slot now holds the key: its index; -ENOSPC (SLOTS_MAX, or the bank), -ENOMEM. */
int domain_slot(struct domain *domain, const struct key *key);

/* Runs until the domain stops, or everything waits and `wait` is false, or the
 * world was poked. Returns the domain's state. */
enum domain_state world_run(struct world *world, struct domain *domain, bool wait);

/* Brings it and all below it to a point where they can be written: cancels each
 * request, then completes the call or rewinds it. None of them waits after. */
void domain_quiesce(struct domain *domain);

void world_check(struct world *world);

/* kernel/image.c: the tree below `domain` as bytes; canonical. 0; -EBUSY when
 * one of them waits or holds a completion (quiesce first); -ENOMEM; the sink's. */
int image_write(struct world *world, struct domain *domain, struct sink *sink, bool thin);

/* Total: any bytes give a domain as it was written, or an error, words in the
 * report and the world as before (but for modules, which stay loaded). A domain
 * that was READY is so again; the others go on at domain_start(). `bytes` stay
 * borrowed for the modules in it. 0; -EINVAL (what and where); -ENOENT (a
 * module of a thin image that the world has not); -ENOSPC, -ENOMEM. */
int image_read(struct world *world, const uint8_t *bytes, size_t count, struct report *report,
	struct domain **ret_domain);

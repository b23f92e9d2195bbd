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
	CALL_YIELD,   /* call->word: the run that drives it returns `yielded` */
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
};

struct stop {
	enum stop_reason reason;
	uint32_t code;   /* RETURNED: exit code */
	uint64_t word;   /* YIELDED */
	uint64_t need;   /* OUT_OF_GAS: gas; OUT_OF_STORAGE: bytes */
	enum trap trap;  /* TRAP */
};

enum { SLOTS_MAX = 4096 };

struct domain {
	struct world *world;
	struct domain *next; /* in the ready queue */
	char name[32];       /* last part of its path: "main" */
	uint32_t id, generation;
	enum domain_state state;
	struct stop stop;
	struct store *store;
	uint32_t instance;   /* the program's */
	struct line line;
	struct bank bank;
	struct key *slots;   /* slots_count of them */
	uint32_t slots_count;
	struct key keeper;
	void *personality;   /* caps' state of it */
	uint64_t gas_guest, gas_host; /* of its whole life, images included */

	/* The call in progress, if any. */
	uint64_t request;    /* in flight; 0 = none */
	bool completed;      /* `completion` has its answer */
	struct device_completion completion;
	uint64_t progress;   /* how much of a long call is committed; in the image */
	uint64_t charged;    /* gas already charged for the call; in the image */
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
 * are not charged twice): false means return CALL_DRY, before any change. */
bool call_charge(struct call *call, uint64_t gas_total);
/* Sends a request for this call: returns CALL_WAIT. call_again() is how the
 * call then sees `completion`. The request's id is filled in. */
enum call_end call_submit(struct call *call, struct device_request *request);
/* The completion was used; another request may follow in the same call. */
void call_consume(struct call *call);

/* What the domain's line has used as of now, this call's charge included: the
 * virtual clock reads it. */
uint64_t call_used(struct call *call);

/* Orders of caps that have no caller of their own (closing a handle when a
 * descriptor goes): sent, and the completion dropped. */
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
	void *user;     /* tools': caps and the world never look at it */
};

enum { SLICE_GAS = 10000000 };

struct domain_config {
	const char *name;
	struct module *module;
	uint64_t gas;        /* GAS_NO_LIMIT */
	uint64_t bank_bytes; /* limit */
	bool stop_when_dry;  /* STOP_WHEN_DRY */
	bool strict;         /* an unknown import is an error, not TRAP_IMPORT when called */
};

struct world *world_open(const struct world_config *config); /* NULL: no memory */
void world_close(struct world *world);

/* Module from bytes (borrowed; kept alive by the caller). See module_load(). */
int world_module(struct world *world, const uint8_t *bytes, size_t count, struct report *report,
	struct module **ret_module);

/* A domain with its program linked and its initialisation on the stack; it is
 * stopped (STOP_NONE) until domain_start(). 0; -ENOENT, -EINVAL (imports);
 * -ENOSPC (the bank); -ENOMEM. */
int domain_new(struct world *world, const struct domain_config *config, struct report *report,
	struct domain **ret_domain);
void domain_end(struct domain *domain);

/* What it does after initialisation: call an export by index with these args. */
int domain_entry(struct domain *domain, uint32_t func, const uint64_t *args, uint32_t args_count);
void domain_start(struct domain *domain);  /* READY; also after a refuel */
void domain_feed(struct domain *domain, uint64_t gas); /* adds to its line's limit */

int domain_slot(struct domain *domain, const struct key *key); /* a free slot now holds it; -ENOSPC */

/* Runs until the domain stops, or everything waits and `wait` is false, or the
 * world was poked. Returns the domain's state. */
enum domain_state world_run(struct world *world, struct domain *domain, bool wait);

/* Brings a waiting domain to a point where it can be written: cancels its
 * request, then completes or rewinds the call. */
void domain_quiesce(struct domain *domain);

void world_check(struct world *world);

/* kernel/image.c: the tree below `domain` as bytes; canonical. -EBUSY when a
 * request is in flight (quiesce first). */
int image_write(struct world *world, struct domain *domain, struct sink *sink, bool thin);

/* Total. `bytes` stay borrowed for the modules in it. */
int image_read(struct world *world, const uint8_t *bytes, size_t count, struct report *report,
	struct domain **ret_domain);

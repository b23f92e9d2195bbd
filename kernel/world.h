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
 * WORLD2   a domain is in the ready queue, or in that of the paused, iff it is READY.
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
#include "kernel/meter.h"
#include "kernel/object.h"
#include "kernel/purse.h"
#include "kernel/wasm/engine.h"

struct domain;
struct world;
struct call;
struct invocation; /* kernel/gate.h */

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
	CALL_STALLED, /* somebody else answers later; the domain's state says what it waits for */
	CALL_GONE,    /* the domain is no more */
	CALL_AGAIN,   /* a piece of a long call is done (domain->progress); it runs again from
	                 the top when its turn comes */
	CALL_FULL,    /* call_take() said no and the domain stops when dry: it stops out of
	                 storage, and the call runs again from the top when started */
};

/* What an order on a key came to. */
enum order_end {
	ORDER_DONE,    /* inv->rc and inv->out are the answer */
	ORDER_WAIT,    /* call_submit() was called: the order runs again from the top */
	ORDER_DRY_GAS, /* call_charge() said no */
	ORDER_FULL,    /* call_take() said no, and the domain stops when dry */
	ORDER_STALLED, /* gate_enter(), tree_run() ...: somebody else answers, later */
	ORDER_GONE,    /* the invoker itself is no more */
	ORDER_AGAIN,   /* a piece is done (domain->progress): it runs again from the top */
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
	/* The key that was bound is under this grant, and not its root's own. May be NULL. */
	void (*image_under)(struct world *world, const struct key *key);
};

/* A personality keeps state per domain (WASI's descriptors): made with the
 * domain, charged to its bank, written and read with it. */
struct personality {
	bool (*make)(struct domain *domain);
	void (*end)(struct domain *domain);
	void (*image_write)(struct domain *domain, struct sink *sink);
	int (*image_read)(struct domain *domain, struct bytes_in *in, struct report *report);
	/* Bytes that its bank holds for what it opened with keys that are said by their
	 * kind: whoever restores it opens that again, for whom and as far as it can. NULL:
	 * nothing. */
	uint64_t (*opened)(const struct domain *domain);
};

struct caps { /* caps/caps.c: const struct caps caps_all */
	const struct kind *kinds;
	uint32_t kinds_count;
	/* An order on a key that is usable. NULL: no key is served. */
	enum order_end (*invoke)(struct invocation *inv);
	/* An object goes; its body is freed after. NULL: nothing hangs on one. A body
	 * of zeroes must be well. */
	void (*end)(struct world *world, uint8_t kind, void *body);

	/* Objects in images: whether a body of the kind can be so large, its plain data,
	 * its table of keys, the module it holds. Reading is total; what a body stores
	 * beside itself it charges to the payer. NULL: no kind has objects. */
	bool (*object_fits)(uint8_t kind, uint64_t bytes);
	void (*object_write)(struct world *world, uint8_t kind, const void *body, struct sink *sink);
	bool (*object_read)(struct world *world, uint8_t kind, struct bank *payer, void *body,
		uint64_t bytes, struct bytes_in *in);
	struct key *(*object_keys)(uint8_t kind, void *body, uint32_t *ret_count);
	struct module *(*object_module)(uint8_t kind, const void *body);
	/* An image is about to be written, or read. May be NULL. */
	void (*image_begin)(struct world *world);
	/* Is what a said key names open by itself, below its root? With `make`, it is from
	 * now on, to a device that asks for no handle (kernel/edge.h). */
	bool (*key_open)(struct world *world, const struct key *key, bool make);
	/* The name under which the host gave a root grant; and back, GRANT_NONE if it is
	 * not given here. */
	const char *(*grant_name)(struct world *world, uint32_t grant);
	uint32_t (*grant_find)(struct world *world, const char *name, uint32_t bytes);
	/* Something was cut: looks at a bounded piece of what is open, from *at on, and
	 * closes what was opened under a grant that is dead. false: that was the last
	 * piece. No guest can tell whether it was done. May be NULL. */
	bool (*close_cut)(struct world *world, uint32_t *at);
	const struct import_def *const *import_tables; /* NULL-terminated; each ends with a NULL name */
	const struct personality *personality;
	/* Frees what caps put under world_caps(); before the world's heap goes. May be NULL. */
	void (*world_end)(struct world *world);
};

/* --- domains -------------------------------------------------------------- */

enum domain_state { /* ORDER STATES: stored in images */
	DOMAIN_READY,     /* has a step to run */
	DOMAIN_WAITING,   /* a request is in flight */
	DOMAIN_STOPPED,   /* see `stop` */
	DOMAIN_CALLING,   /* waits for an answer: see `wait` */
	DOMAIN_AVAILABLE, /* in reply_wait: the next message is let in */
	DOMAIN_QUEUED,    /* waits to be let in by `callee` */
	DOMAIN_PARKED,    /* on a meter that is dry */
	DOMAIN_STATE_COUNT
};

enum domain_wait { /* ORDER WAITS: stored in images. Whose answer a CALLING domain waits for */
	WAIT_NOTHING,
	WAIT_REPLY,   /* of its own call */
	WAIT_RUN,     /* until the one it runs stops */
	WAIT_INVOKE,  /* until the export it invoked by a start key returned */
	WAIT_IMPORT,  /* of its keeper, to an import */
	WAIT_DRY,     /* of its meter's keeper */
	WAIT_STORAGE, /* of its keeper */
	WAIT_FAULT,   /* of its keeper, to a trap */
	WAIT_COUNT
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
	SLOTS_MAX = 32768,
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
	struct domain *ends_for;              /* while it ends: who ends after it */
	struct domain *queue_next, *queue_prev;      /* in the ready or the stalled queue */
	struct queue *queue;                         /* which one; NULL: in none */
	char name[DOMAIN_NAME_BYTES]; /* last part of its path: "main"; terminated */
	uint32_t id, generation;
	uint32_t mark; /* its index while an image of it is written */
	enum domain_state state;
	struct stop stop;
	bool stop_when_dry;
	bool paused;         /* takes no step: somebody outside holds it, or one above it */
	bool closed;         /* its bytes and keys are readable by nobody inside */
	struct store *store;
	uint32_t instance;   /* the program's */
	uint32_t modules_held; /* of the first so many instances */
	/* What it does next when nothing is on its stack: each instance is initialised
	 * in its turn, then the entry is called, if there is one. */
	uint32_t inits_begun;
	bool has_entry, entered; /* an entry waits; the last one has begun */
	uint32_t entry_func, entry_args_count;
	uint64_t *entry_args; /* until it has begun */
	uint64_t slice_left; /* of the slice it is in; 0: a new one begins */
	struct meter meter;  /* its private line */
	struct bank bank;
	struct key *slots;   /* slots_count of them */
	uint32_t slots_count;
	struct key keeper;
	struct purse *purse; /* pays beside the line; NULL: nobody has to */
	struct domain *purse_next, *purse_prev; /* among those it pays for */

	/* The gate and the tree of runs: kernel/gate.h, kernel/tree.h. */
	uint8_t wait;            /* enum domain_wait, while CALLING or QUEUED */
	bool poll;               /* its run returns when it waits */
	bool held;               /* its strand was left waiting: it goes on when run again */
	bool interrupted;        /* the host is told `stop` though it did not itself stop */
	bool answered;           /* while it is read from an image: somebody has its resume key */
	bool counted;            /* the call in progress has used its key */
	uint32_t calls;          /* resume keys of another count are void */
	struct queue callers;    /* who wait to be let in, first come first */
	struct domain *entering; /* ... and who is about to be */
	struct domain *callee;   /* while QUEUED, or entering: whom it waits for */
	struct domain *serving;  /* whose call it took last and has not answered; may be NULL */
	struct domain *served;   /* who serves us */
	struct domain *runner;   /* whose run drives it */
	struct domain *runs;     /* whom its run drives */
	struct domain *leaf;     /* the first that is held below it until it is run again ... */
	struct domain *leaf_next; /* ... and the next one of those */
	struct domain *leaf_of;  /* whose run holds it */
	struct meter *dry;       /* whose dryness ended its last run; unparked by the next */
	struct meter *asks;      /* whose keeper it asks */
	bool lost;               /* in the world's list of those whose resume key is gone ... */
	uint32_t lost_calls;     /* ... at this count */
	struct domain *lost_next;
	uint64_t word_in;        /* what the next run hands to yield() */
	uint32_t wait_grant, wait_grant_generation; /* under which it waits */
	struct domain *wait_next, *wait_prev;       /* among those that wait under one root grant */
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
	uint64_t charged_before; /* by the gate, before the order's own price */
	const struct key *under; /* the key that a request is made under; NULL: none */
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
struct mint *world_mint(struct world *world);
/* Always empty: what those have to pay with whose purse ended. */
struct purse *world_void_purse(struct world *world);

/* A line that ends: those below it are dry from then on. */
void world_line_bury(struct world *world, struct line *line);
/* A meter below that line. */
void meter_init(struct meter *meter, struct line *superior);
/* L8: its rate, from its rent and its owner's pages. */
void meter_rate(struct clock_gas *clock, struct meter *meter);
#define METER_RENT_MAX UINT64_C(65535)

/* The world cut: nothing derived under it delivers more; who waits under it wakes.
 * How many those were. */
uint32_t world_cut(struct world *world, uint32_t grant);
/* The place of a grant is paid for before there is one; false: no room. */
bool world_grant_pay(struct grant_body *body, struct bank *payer);
void world_grant_unpay(const struct grant_body *body);
/* Puts the key under a new grant below its present one: its index; GRANT_NONE:
 * no room. */
uint32_t world_grant(struct world *world, struct key *key, const struct grant_limits *limits);

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

/* Below what a domain is made. All NULL: below the world's own. */
struct domain_above {
	struct domain *parent; /* with which it ends; and whose images it is in */
	struct line *line;
	struct bank *bank;
	struct purse *purse;   /* pays too; NULL: none does */
	bool storeless;        /* its store is made by the caller */
};

struct domain_config {
	struct domain_above above;
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

/* The same of bytes that are copied, or the module that is here already with
 * this hash; held until it is dropped as often, and no domain is made of it. */
int world_module_copy(struct world *world, const uint8_t *bytes, uint64_t count,
	struct report *report, struct module **ret_module);
struct module *world_module_by_hash(struct world *world, const uint8_t hash[32]); /* or NULL */
/* Whoever has an instance of it holds it, too. */
void world_module_hold(struct module *module);
void world_module_drop(struct world *world, struct module *module);
void world_modules_sweep(struct world *world); /* frees those that nobody holds */

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
/* Who pays beside the line from now on; NULL: nobody. */
void domain_pay_with(struct domain *domain, struct purse *purse);
void domain_feed(struct domain *domain, uint64_t gas); /* adds to its line's limit */

/* Room for so many slots: 0, -ENOSPC, -ENOMEM. */
int domain_slots_room(struct domain *domain, uint32_t count);
/* What a domain pays for a module: all of it, whoever else has it. */
uint64_t domain_module_cost(const struct module *module);
/* [at, at + bytes) of its program's memory, which is hot then; or NULL. */
uint8_t *domain_mem(struct domain *domain, uint64_t at, uint64_t bytes);
/* The results of the import that it stopped at (STOP_CALLED), 8 bytes each. 0;
 * -EINVAL: it does not stand there, or they do not fit its type. */
int domain_result(struct domain *domain, const uint8_t *bytes, uint32_t count);
/* A free slot now holds the key: its index; -ENOSPC (SLOTS_MAX, or the bank), -ENOMEM. */
int domain_slot(struct domain *domain, const struct key *key);

/* Runs until the domain stops, or everything waits and `wait` is false, or the
 * world was poked. Returns the domain's state. */
enum domain_state world_run(struct world *world, struct domain *domain, bool wait);

/* The domain and all below it take no step until they are resumed; what they wait
 * for still comes. What is made below a paused domain is paused. */
void domain_pause(struct domain *domain);
void domain_resume(struct domain *domain);
/* Nothing can happen before one of the paused goes on: the host waits for that. */
bool world_is_paused(const struct world *world);
/* Between two steps somebody outside changes the world: before, and after, when
 * those who lost somebody by it hear; the device is asked again before the next step. */
void world_order(struct world *world);
void world_ordered(struct world *world);

/* Lines "NAME: what it waits for" of it and those below it, as many as fit; their
 * bytes. */
uint32_t domain_waits(struct domain *domain, char *text, uint32_t bytes);

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
/* The same, below what the restorer gives. Purses in it are empty; a caller of
 * somebody outside hears GATE_FORKED. */
int image_read_below(struct world *world, const struct domain_above *above, const uint8_t *bytes,
	size_t count, struct report *report, struct domain **ret_domain);

/* The domain after `at` in a walk of `root` and all below it; NULL: it was the last. */
struct domain *domain_walk(struct domain *at, struct domain *root);
/* None below it and not itself runs before it is run: what was READY is held. */
void domain_hold(struct domain *domain);
/* The same of bytes that go: what modules need of them is copied. */
int image_thaw(struct world *world, const struct domain_above *above, const uint8_t *bytes,
	size_t count, struct report *report, struct domain **ret_domain);
/* kernel/fork.c: a copy of the domain and all below it, that goes on as they will.
 * They are brought to rest first and share their pages with the copy. 0; -EBUSY
 * (one cannot come to rest), -ENOSPC, -ENOMEM. */
int domain_fork(struct domain *domain, const struct domain_above *above, struct report *report,
	struct domain **ret_domain);

/* SPDX-License-Identifier: Apache-2.0 */
/* world_state.h - the inside of a world; for kernel/ only.
 *
 *   world ---- domains[id] ---- store          ready:   x <-> y <-> z
 *     |            |  |  `----- line, bank     stalled: the device was full
 *     |            |  `-------- slots, personality
 *     |            `----------- parent, first, next
 *     |---- line, bank          the roots, without limits
 *     |---- modules, typebook, grants, requests, heap
 *     `---- imports[number]     what EXEC_HOST's number means */
#pragma once

#include "kernel/base/pages.h"
#include "kernel/requests.h"
#include "kernel/world.h"

struct edge;

struct domain_place {
	struct domain *domain; /* NULL: free */
	uint32_t generation, next_free;
};

struct world_module {
	struct world_module *next, *prev;
	struct module *module;
	uint8_t *copy;    /* its bytes, when they are the world's own; then it goes with ... */
	uint64_t holders; /* ... the last of those: keys to it, instances of it */
	struct world_module *dropped_next; /* while nobody holds it, before the sweep */
	bool dropped;
};

struct world {
	struct world_config config;
	struct heap heap;
	struct pages pages; /* of cold memories */
	struct typebook book;
	struct grants grants;
	struct requests requests;
	struct clock_gas clock;
	struct meter meter; /* the root line */
	struct meter void_meter; /* under which lines go whose superior ended: always dry */
	struct objects objects;
	uint32_t busy;          /* within a step, or ending: callers are told at its end */
	struct domain *lost;    /* callers whose resume key is gone, not yet told */
	struct mint mint;
	char words[4096]; /* who waits for whom, until it is delivered */
	uint8_t *scratch; /* of forks */
	uint64_t scratch_room;
	struct purse void_purse;
	struct bank bank;
	struct world_module *modules, *dropped;
	struct domain_place *places;
	uint32_t places_count, places_room, places_free; /* UINT32_MAX: none free */
	struct queue ready, stalled;
	struct queue paused; /* READY, but for somebody outside */
	const struct import_def **imports;
	uint32_t imports_count;
	bool closing, close_again; /* a cut's closing is under way; another cut came since */
	uint32_t close_at;         /* caps' place in it */
	uint32_t cool_at; /* whose memories are put away next when space is short */
	uint64_t steps; /* made; replay finds its place by it */
	uint64_t ask_at; /* the step before which the device is asked again */
	void *caps_state;
	struct edge *edge; /* kernel/edge.h: one subtree is recorded, or had again; or NULL */
};

/* The number of an import that nobody serves: its call traps. */
enum { IMPORT_UNSERVED = UINT32_MAX };

/* world.c */
void queue_add(struct queue *queue, struct domain *domain);
void queue_drop(struct domain *domain); /* from the one it is in, if any */
/* READY already: into the queue that is for it. */
void queue_ready(struct domain *domain);
/* A free place is the domain's: id and generation are set. false: no memory. */
bool world_place(struct world *world, struct domain *domain);
void world_unplace(struct domain *domain);
/* The import of that name and type; IMPORT_UNSERVED; `ret_other` when the name
 * is known with another type only. */
uint32_t world_import(const struct world *world, const struct import *import,
	const struct functype *type, bool *ret_other);
/* A piece of what cuts left open is closed. */
void world_close_piece(struct world *world);

/* run.c */
void domain_ready(struct domain *domain);
void domain_stop(struct domain *domain, struct stop stop);
void domain_finish(struct domain *domain, struct stop stop); /* for good */
bool stop_is_final(const struct stop *stop);
/* One completion taken and given to its owner. false: none, or with `wait` a poke. */
bool world_take_completion(struct world *world, bool wait);
/* Runs the domain for a slice at most. */
void world_step(struct world *world, struct domain *domain);
/* Nobody is ready and a cut's closing is under way: a step of the world's own, counted,
 * so that a replay has its requests and completions in the same order. */
void world_step_closing(struct world *world);

/* call.c */
/* The import call that the store stands at: answers it, or says how it stopped. */
enum call_end call_run(struct domain *domain);
/* Its pending call and memory are at hand again, also after it was cold or read
 * from an image. false: the host has no memory for it. */
bool domain_pending(struct domain *domain);
/* Its request in flight is void: it completes with DEVICE_EREVOKED. */
void request_revoked(struct domain *domain);
/* Whether these bytes are results of this type, 8 bytes each. */
bool results_fit(const struct functype *type, const uint8_t *bytes, uint32_t count);
void call_rewind(struct domain *domain); /* its completion is dropped; it runs again from the top */

/* domain.c */
/* A domain without a store's contents, not started: for domain_new() and
 * image_read(). Charged, placed, below `parent` (NULL: the world). */
int domain_make(struct world *world, const struct domain_above *above, const char *name,
	uint64_t bank_bytes, bool stop_when_dry, struct report *report, struct domain **ret_domain);
/* It holds the modules of all its instances. */
void domain_hold_modules(struct domain *domain);
struct store_config domain_store_config(struct domain *domain);
/* All that was bought from the bank, and all banks below it, end. */
void bank_clear(struct world *world, struct bank *bank);
/* A copy of these arguments, charged; nothing of an entry is kept otherwise. */
int domain_set_entry(struct domain *domain, uint32_t func, const uint64_t *args, uint32_t count);
void domain_forget_entry(struct domain *domain);

/* link.c: what the imports of a module are bound to, in an array of the heap
 * (its size is imports_count): 0; -ENOENT, -EINVAL, -ENOMEM and words. */
int link_imports(struct domain *domain, const struct domain_config *config,
	const struct module *module, uint32_t preloads_done, const uint32_t *preload_instances,
	struct report *report, struct binding **ret_bindings);

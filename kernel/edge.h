/* SPDX-License-Identifier: Apache-2.0 */
/* edge.h - one subtree of a run, and what crosses its edge.
 *
 * Owns     struct edge: over a world that runs, it waits for a domain, keeps an
 *          image of it and all below it from before its first step, and writes
 *          down what comes in from outside; over a world of its own, it has the
 *          same subtree again from that and nothing else.
 * Does     names what is inside by its place in a walk, as images do, and what
 *          is outside by the order in which it was met. When the subtree is had
 *          again each domain outside is a stand-in: it is in queues, calls and
 *          is answered, and never runs. What leaves is compared by a hash.
 * Callers  gate.c, run.c, call.c, tree.c, domain.c at the places where the outside
 *          and the inside meet; tools (replay --only), tests.
 * Never    trusts a journal: what does not fit the run is told, not believed.
 *
 *          outside            |            inside
 *    order, on a key to it  --|--> ORDER      done again by the stand-in
 *    answer                 --|--> ANSWER     to a call of its own
 *    the device             --|--> COMPLETION
 *    a queue it waited in   --|--> WAKE
 *    no run of it any more  --|--> RETURN
 *    a bank, meter, purse   --|--> REFUSED, ABOVE, DRY
 *    a grant, the clock     --|--> GRANT, CLOCK, REVOKED
 *    one that ends          --|--> ENDED, LET_GO
 *    a keeper, a held strand -|--> ASK, KEEPER, HOLD, UNHOLD
 *                             |
 *    answer, stop         LEFT <--|--         compared
 *    order, and its answer OUT <--|-->        compared, answered from the journal
 *    request           REQUEST <--|--         compared
 *
 * EDGE1    a stand-in is never in the ready queue.
 * Units    records are keyed by (gas the top line used, steps made inside).
 * Errors   the first thing that differs, or that a journal cannot hold, in words.
 * Source   design.md section 6; the format is in docs/journal-format.md. */
#pragma once

#include "kernel/gate.h"

enum { EDGE_VERSION = 2, EDGE_NAME_MAX = 1024, EDGE_STUBS = 0x80000000u,
	EDGE_TYPES = 32 };

struct edge_bytes { /* a sink that grows */
	struct sink sink; /* first */
	struct heap *heap;
	uint8_t *at;
	uint64_t count, room;
};

void edge_bytes_init(struct edge_bytes *bytes, struct heap *heap);
void edge_bytes_free(struct edge_bytes *bytes);

struct edge_outer { /* one met outside, by its ordinal */
	uint32_t id, generation; /* recording: of the domain or object */
	uint8_t kind;            /* KEY_DOMAIN: a domain; else the object's */
	bool replica;            /* had again as it is: it never changes */
	struct domain *stand_in; /* replaying */
	uint32_t object;         /* replaying: of a replica, or what stands in for a payer */
};

struct edge_limits { /* what a grant says; times from where the journal begins */
	uint64_t dead, limited;
	uint64_t uses_left, bytes_left, rate, tokens, expires, tokens_at;
};

struct edge_grant { /* one met outside, by its ordinal */
	uint32_t index, generation; /* in this world */
	struct edge_limits then;    /* recording: as it was told last */
};

enum edge_end { EDGE_GOES_ON, EDGE_SAME, EDGE_UNTIL, EDGE_DIVERGED };

struct edge_asked { /* questions to the banks above at one moment */
	uint64_t used, seq;
	uint32_t count;
};

struct edge_moment { /* where a step began */
	uint64_t at;        /* in what is recorded */
	uint64_t used, now; /* of the top's line; the gas clock */
};

struct edge {
	struct world *world;
	struct heap *heap; /* outlives the world */
	const char *name;  /* "main/a/b", each part perhaps with #N */
	struct domain *top;
	bool again;          /* had again, not recorded */
	bool inside;         /* what happens now comes from inside */
	bool stepping;       /* since a step inside began */
	bool crossing;       /* an order across the edge is served */
	bool over;           /* nothing more is recorded, or had again */
	uint64_t seq;        /* steps made inside */
	struct bank_watch banks;
	struct edge_asked asked;
	struct edge_outer *outers;
	uint32_t outers_count, outers_room;

	struct edge_grant *known;
	uint32_t known_count, known_room;
	uint64_t began;      /* the gas clock, where the journal begins */

	struct edge_bytes out; /* recording */
	uint64_t clock_at;     /* the clock, as the subtree alone will have it */
	struct edge_moment step;
	uint8_t *touched;      /* memory that an order of inside reached into, for the outside */
	uint64_t touched_at, touched_bytes;
	uint64_t dry_at;       /* where the record of a dry meter is to be completed; 0: none */
	struct meter *dry_meter;
	bool dry_told;         /* somebody had been told of it before */
	uint32_t records[EDGE_TYPES]; /* how many of each were written, ... */
	uint64_t last[EDGE_TYPES];    /* ... and where the last one is */
	struct report crossed; /* what crossed that no record can hold; empty: nothing */

	struct device device;  /* again: what the world is opened with */
	struct bytes_in in;
	struct meter meter;    /* above the top; --until is its limit */
	struct purse purse;    /* for those outside that paid from the beginning */
	struct purse *poor;    /* one that has what it had then, until this step is over */
	uint64_t above_room, until_left;
	uint8_t *scratch;      /* what stands in for memory outside */
	uint64_t scratch_room;
	bool above;            /* so has the meter */
	uint64_t *flight;      /* requests that were not answered */
	uint32_t flight_count, flight_room;
	struct device_completion due;
	bool is_due, reached, frozen;
	struct report diverged;
};

/* --- recording ----------------------------------------------------------------- */

/* From now on. `name` stays borrowed. */
void edge_watch(struct edge *edge, struct world *world, struct heap *heap, const char *name);
/* The run is over, or goes no further. 0: edge->out has the whole journal; -ENOENT:
 * there was never such a domain, or it made no step; -ENOMEM; else edge->crossed. */
int edge_finish(struct edge *edge, struct report *report);
/* Before the world goes that it watches; after the world of its own. */
void edge_done(struct edge *edge);

/* --- having it again --------------------------------------------------------------- */

/* What a world of its own is opened with. */
struct device *edge_device(struct edge *edge);
/* 0; -EINVAL and words; -ENOMEM. The bytes stay borrowed. */
int edge_open(struct edge *edge, struct heap *heap, const uint8_t *bytes, size_t count,
	struct report *report);
/* In a world that is opened with its device and has the root keys: the subtree.
 * 0; -EINVAL, -ENOSPC, -ENOMEM and words. `until`: gas of the subtree; GAS_NO_LIMIT. */
int edge_begin(struct edge *edge, struct world *world, uint64_t until, struct report *report);
/* One step or one thing from outside. */
enum edge_end edge_next(struct edge *edge);
/* From now on each request ends as cancelled, so that an image may be made of
 * where it stands. */
void edge_freeze(struct edge *edge);

/* --- what the kernel asks ------------------------------------------------------------ */

/* Before a step, and after one, and whatever else may be from inside: what the
 * first answers the second is given. */
bool edge_step(struct domain *domain);
bool edge_enters(struct domain *domain); /* if it is one inside */
void edge_leave(struct world *world, bool before);
enum order_end edge_perform(struct invocation *inv, enum order_end (*serve)(struct invocation *));
/* true: the caller is a stand-in, and nothing is put into it. */
bool edge_answer(struct domain *caller, uint32_t rc, const struct message *message);
/* true: a stand-in, which does not run. */
bool edge_ready(struct domain *domain);
void edge_completes(struct domain *owner, const struct device_completion *completion);
/* Again: true if the device had refused it. Recorded: after it did or did not. */
bool edge_refuses(struct domain *domain, const struct device_request *request);
void edge_submits(struct domain *domain, const struct device_request *request, int error);
/* true: done, as it was then, or --until was reached. `step`: its step ends with it.
 * And after it. */
bool edge_dry(struct domain *domain, struct line *line, uint64_t need, bool step);
void edge_dried(struct domain *domain);
/* It ends, with all below it; and each of those, which edge_leave() follows. */
void edge_ends(struct domain *domain);
void edge_ordered(struct edge *edge); /* somebody outside the world changed it */
void edge_makes(struct domain *domain); /* one more */
bool edge_ends_one(struct domain *domain);
/* The memory of whoever gives an order, which may lie across the edge. */
uint8_t *edge_gate_mem(struct invocation *inv, uint64_t at, uint64_t bytes);
typedef bool edge_keeper_call(struct domain *domain, const struct key *key, uint32_t order,
	const struct message *message);
/* What `call` would answer; perhaps without it. */
bool edge_asks_keeper(struct domain *domain, const struct key *key, uint32_t order,
	const struct message *message, edge_keeper_call *call);
void edge_holds(struct domain *domain, const struct domain *leaf);
void edge_unholds(const struct domain *domain, const struct domain *leaf);
/* Its request is void, because of a cut; edge_leave() follows. */
bool edge_revokes(struct domain *domain);
void edge_wakes(struct domain *domain); /* it was held, and stays so */

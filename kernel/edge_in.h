/* SPDX-License-Identifier: Apache-2.0 */
/* edge_in.h - what edge.c, edge_record.c and edge_again.c agree on. */
#pragma once

#include "kernel/edge.h"
#include "kernel/image.h"
#include "kernel/world_state.h"

enum { EDGE_HEADER_BYTES = 32, EDGE_NOWHERE = UINT32_MAX };

enum edge_record { /* ORDER EDGES: stored, append only */
	EDGE_ORDER = 1,
	EDGE_ANSWER,
	EDGE_COMPLETION,
	EDGE_WAKE,
	EDGE_LEFT,
	EDGE_OUT,
	EDGE_REQUEST,
	EDGE_END,
	EDGE_RETURN,
	EDGE_REFUSED,
	EDGE_ABOVE,
	EDGE_DRY,
	EDGE_CLOCK,
	EDGE_GRANT,
	EDGE_REVOKED,
	EDGE_LET_GO,
	EDGE_ENDED,
	EDGE_HOLD,
	EDGE_UNHOLD,
	EDGE_KEEPER,
	EDGE_ASK,
	EDGE_BYTES,
	EDGE_RECORD_COUNT,
};

enum edge_ref { /* ORDER REFS: stored. How a key is named */
	REF_VOID,
	REF_DOMAIN,  /* inside: its place in the walk */
	REF_OBJECT,  /* inside: its place in the image's list */
	REF_OUTER,   /* outside: its ordinal; a stand-in or a stub */
	REF_REPLICA, /* outside, and the same for ever: its ordinal */
	REF_SAID,    /* its kind says it */
	REF_PLAIN,   /* it names nothing */
};

enum edge_side { SIDE_NONE, SIDE_IN, SIDE_OUT };

static const uint8_t edge_magic[8] = {'K', 'E', 'Y', 'H', 'E', 'D', 'G', 'E'};

/* The kinds that the kernel does not make keys of, but which never change. ORDER KINDS */
enum { EDGE_KEY_MODULE = 5, EDGE_KEY_CREATOR = 12, EDGE_KEY_IMAGE = 17 };

_Static_assert((int)EDGE_RECORD_COUNT <= (int)EDGE_TYPES, "each is counted");

bool edge_is_in(const struct edge *edge, const struct domain *domain);
enum edge_side edge_side(struct edge *edge, const struct key *key);
/* Places inside; EDGE_NOWHERE. And back: NULL, OBJECT_NONE. */
uint32_t edge_domain_place(struct edge *edge, const struct domain *domain);
struct domain *edge_domain_at(struct edge *edge, uint32_t place);
uint32_t edge_object_place(struct edge *edge, uint32_t object);
uint32_t edge_object_at(struct edge *edge, uint32_t place);
/* Its ordinal, perhaps a new one; EDGE_NOWHERE: no memory. */
uint32_t edge_outer(struct edge *edge, const struct edge_outer *outer);

void edge_put_key(struct edge *edge, struct sink *sink, const struct key *key);
void edge_put_message(struct edge *edge, struct sink *sink, const struct message *message);
/* What leaves: without names of keys that differ from world to world. */
void edge_hash_message(struct edge *edge, const uint32_t *numbers, unsigned count,
	const struct message *message, uint8_t ret_hash[32]);
/* An image of the subtree as it is: 0, -EBUSY, -ENOMEM. */
int edge_image_hash(struct edge *edge, uint8_t ret_hash[32]);

void edge_hash_request(const struct device_request *request, uint8_t ret_hash[32]);
/* In place of a slot's index, where a journal begins. */
enum { EDGE_SLOT_KEEPER = 0x10000, EDGE_SLOT_METER_KEEPER, EDGE_SLOT_OBJECT = 0x20000 };

/* edge_record.c */
bool edge_records(const struct edge *edge);
void edge_crossed(struct edge *edge, const char *what); /* no record can hold it: over */
struct sink *edge_record(struct edge *edge, enum edge_record type);
void edge_put_ordinal(struct edge *edge, struct sink *sink, const struct domain *domain);
enum order_end edge_perform_recorded(struct edge *edge, struct invocation *inv,
	enum order_end (*serve)(struct invocation *));
void edge_answer_recorded(struct edge *edge, struct domain *caller, uint32_t rc,
	const struct message *message);
void edge_ready_recorded(struct edge *edge, struct domain *domain);
void edge_submits_recorded(struct edge *edge, struct domain *domain,
	const struct device_request *request, int error);

/* edge_again.c */
struct edge_entry {
	uint8_t type;
	uint64_t used, seq;
	struct bytes_in in; /* behind its beginning */
};
void edge_diverge(struct edge *edge, const char *what);
bool edge_peek(struct edge *edge, struct edge_entry *ret_entry);
/* The next record is of this type and of now; else words. */
bool edge_expect(struct edge *edge, enum edge_record type, const char *what,
	struct edge_entry *ret_entry);
bool edge_expect_hash(struct edge *edge, enum edge_record type, const uint8_t hash[32],
	const char *none, const char *other);
struct domain *edge_get_stand_in(struct edge *edge, struct bytes_in *in); /* or NULL */
bool edge_get_key(struct edge *edge, struct bytes_in *in, struct key *ret_key);
bool edge_get_message(struct edge *edge, struct bytes_in *in, struct message *ret_message);
/* Callers whose resume key was lost outside of a step hear of it by a record. */
void edge_unsettled(struct edge *edge);
void edge_answered(struct domain *stand_in); /* it waits no more */
enum order_end edge_perform_again(struct edge *edge, struct invocation *inv,
	enum order_end (*serve)(struct invocation *));
bool edge_answer_again(struct edge *edge, struct domain *caller, uint32_t rc,
	const struct message *message);
bool edge_refuses_again(struct edge *edge, struct domain *domain,
	const struct device_request *request);
bool edge_ready_again(struct edge *edge, struct domain *domain);

/* edge_pay.c */
void edge_watch_banks(struct edge *edge);
void edge_unwatch_banks(struct edge *edge);
void edge_dry_recorded(struct edge *edge, struct domain *domain, struct line *line, uint64_t need,
	bool step);
bool edge_dry_again(struct edge *edge, struct domain *domain, const struct line *line,
	uint64_t need, bool step);
/* What may pay for something inside has to be there when that is had again. */
bool edge_is_payer(uint8_t kind);
uint32_t edge_payer_new(struct edge *edge, uint8_t kind); /* OBJECT_NONE: no memory */
bool edge_above_again(struct edge *edge, struct edge_entry *entry);
void edge_above_over(struct edge *edge);
void edge_put_purses(struct edge *edge, struct sink *sink, const struct image_out *out);
bool edge_get_purses(struct edge *edge);

/* edge_grant.c */
void edge_put_outer_grant(struct edge *edge, struct sink *sink, uint32_t grant);
bool edge_get_outer_grant(struct edge *edge, struct bytes_in *in, uint32_t *ret_grant);
void edge_put_inner_grants(struct edge *edge, struct sink *sink, const struct image_out *out);
bool edge_get_inner_grants(struct edge *edge);
/* Before inside may look at one; after a step of it, that spent so much. */
void edge_sync(struct edge *edge);
void edge_synced(struct edge *edge, uint64_t spent);
bool edge_clock_again(struct edge *edge, struct edge_entry *entry);
bool edge_grant_again(struct edge *edge, struct edge_entry *entry);

/* edge_keep.c */
bool edge_ask_again(struct edge *edge, struct edge_entry *entry);
bool edge_hold_again(struct edge *edge, struct edge_entry *entry);
bool edge_unhold_again(struct edge *edge, struct edge_entry *entry);
bool edge_revoked_again(struct edge *edge, struct edge_entry *entry);
void edge_lets_go(struct edge *edge, const struct domain *caller); /* if it was met */
bool edge_let_go_again(struct edge *edge, struct edge_entry *entry);
bool edge_ended_again(struct edge *edge, struct edge_entry *entry);
uint8_t *edge_touches(struct invocation *inv, uint64_t at, uint64_t bytes, uint8_t *memory);
void edge_put_touched(struct edge *edge, struct sink *sink);
bool edge_get_touched(struct edge *edge, struct invocation *inv, struct bytes_in *in);
uint8_t *edge_memory(struct invocation *inv, uint64_t at, uint64_t bytes);

/* The keys that an object holds. */
struct key *edge_object_keys(struct edge *edge, uint32_t object, uint32_t *ret_count);
/* What it names is opened, not only given; `make`: from now on. */
bool edge_key_open(struct edge *edge, const struct key *key, bool make);
bool edge_grant_is_in(struct edge *edge, uint32_t grant);
struct domain *edge_owner(const struct object *object); /* whose bank paid for it */
bool edge_kind_has_domain(uint8_t kind);
bool edge_is_fixed(uint8_t kind);

/* SPDX-License-Identifier: Apache-2.0 */
/* edge_in.h - what edge.c, edge_record.c and edge_again.c agree on. */
#pragma once

#include "kernel/edge.h"
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
enum { EDGE_SLOT_KEEPER = 0x10000, EDGE_SLOT_METER_KEEPER };

/* edge_record.c */
enum order_end edge_perform_recorded(struct edge *edge, struct invocation *inv,
	enum order_end (*serve)(struct invocation *));
void edge_answer_recorded(struct edge *edge, struct domain *caller, uint32_t rc,
	const struct message *message);
void edge_ready_recorded(struct edge *edge, struct domain *domain);
void edge_submits_recorded(struct edge *edge, struct domain *domain,
	const struct device_request *request, int error);
void edge_dry_recorded(struct edge *edge, struct domain *domain, const struct line *line);

/* edge_again.c */
enum order_end edge_perform_again(struct edge *edge, struct invocation *inv,
	enum order_end (*serve)(struct invocation *));
bool edge_answer_again(struct edge *edge, struct domain *caller, uint32_t rc,
	const struct message *message);
bool edge_refuses_again(struct edge *edge, struct domain *domain,
	const struct device_request *request);
bool edge_ready_again(struct edge *edge, struct domain *domain);
bool edge_dry_again(struct edge *edge, const struct line *line);
bool edge_kind_has_domain(uint8_t kind);
bool edge_is_fixed(uint8_t kind);

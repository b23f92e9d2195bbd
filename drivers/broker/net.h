/* SPDX-License-Identifier: Apache-2.0 */
/* net.h - networks at the broker.
 *
 *   address.c   addresses as text; which are special (special.def)
 *   rule.c      patterns: what a key allows
 *   net.c       grants; the operations on rules, listeners and connections
 *   net_dial.c  connections being made, and names being asked for
 *   net_check.c may this address be reached under this rule, and why not
 *   net_names.c c-ares: a name's addresses; pins
 *   keep.c      sockets that are open here without a descriptor
 *
 * A connection is made in steps, none of which waits:
 *
 *   CONNECT "api.example.com:443"
 *     the rule must allow the name and the port as asked          net.c
 *     DIAL_RESOLVING: pins, /etc/hosts, name servers             net_names.c
 *     each address that came is looked at                        net_check.c
 *     DIAL_CONNECTING: connect() to one after the other, the next 250 ms after
 *     the last or when it failed; the first that is there wins    net_dial.c
 *     the socket goes into a slot of the worker, and is kept      keep.c
 *   the answer: the handle, and the peer's address in words
 *
 * NET1   connect() is called on no address that net_check() has not allowed
 *        under the rule of that very request, after names were resolved.
 * NET2   a metadata address is never allowed.
 * NET3   a dial in use is answered exactly once: made, failed, cancelled, its
 *        rule closed, its grant cut.
 * NET4   counts.conns of a grant is its dials that connect and its handles with
 *        `conn`; it never exceeds conns_max, if that is not 0.
 * NET5   no name is sent to a name server that the rule does not allow.
 * NET6   no call here waits for the network. */
#pragma once

#include "drivers/broker/ask.h"
#include "drivers/broker/rule.h"

enum {
	NET_ADDRESSES = 16,  /* of one name, at most */
	NET_PINS = 64,
	NET_SEEN = 256,
	NET_TRIES = 4,       /* connect() at once for one dial */
	NET_QUERIES = 256,   /* at the name servers at once, given up ones included */
	NET_STEP_MS = 250,   /* RFC 8305: the next address is tried meanwhile */
	NET_LIMIT_MS = 30000,
};

enum dial_state { DIAL_FREE, DIAL_RESOLVING, DIAL_CONNECTING };

struct dial {
	enum dial_state state;
	uint32_t generation; /* of this place: late events name an older one */
	uint32_t next;       /* of the free ones */
	enum device_op op;   /* DEVICE_CONNECT, DEVICE_RESOLVE */
	uint32_t tag, handle, grant;
	uint32_t piece, bytes; /* RESOLVE: where the addresses go */
	struct rule_target target;
	char asked[RULE_TEXT_MAX];
	struct address addresses[NET_ADDRESSES];
	uint32_t count, at;  /* of them; the next to be tried */
	int tries[NET_TRIES]; /* descriptors; -1 */
	uint64_t deadline_ns, step_ns;
	int error;           /* errno of the last try */
	bool counted;        /* in counts.conns */
};

struct seen { /* an address that a name was resolved to, by us */
	char name[RULE_NAME_MAX + 1];
	struct address address;
};

struct net {
	struct broker *broker;
	int events; /* epoll: tries and c-ares' sockets */
	struct dial *dials;
	uint32_t dials_free, dials_fresh, dials_used; /* free: index + 1 */
	struct seen pins[NET_PINS];
	uint32_t pins_count;
	struct seen *seen; /* a ring */
	uint32_t seen_put;
	struct ares_channeldata *names; /* NULL: not yet needed */
	char servers[256];
	uint32_t queries;
	uint32_t limit_ms;
	bool wake_due;
};

/* net.c */
int64_t net_connect(struct ask *ask);
int64_t net_accept(struct ask *ask);
int64_t net_resolve(struct ask *ask);
int64_t net_address(struct ask *ask);
int64_t net_narrow(struct ask *ask);
void net_accept_now(struct broker *broker, uint32_t number, struct wire_reply *reply);
void net_end(struct broker *broker);
/* Makes a socket a connection of the grant: a handle, or -errno. Takes fd. */
int net_adopt(struct broker *broker, int fd, uint32_t grant);
/* conns=: may the grant have no more connections? Then it is counted, told, and
 * put into words. */
bool net_is_full(const struct grant *grant);
void net_full_tell(struct broker *broker, uint32_t grant, enum device_op op, const char *path,
	char why[WIRE_WORDS_BYTES]);
void net_count(struct grant *grant); /* one more */

/* net_dial.c */
int64_t dial_connect(struct ask *ask, const struct rule_target *target);
int64_t dial_resolve(struct ask *ask, const char *name);
/* The addresses of a dial's name came: 0, or why not. */
void dial_resolved(struct net *net, struct dial *dial, const struct address *addresses,
	uint32_t count, enum device_error error, const char *why);
void net_cancel(struct broker *broker, uint32_t tag);
void net_close(struct broker *broker, uint32_t handle); /* ends its dials */
void net_cut(struct broker *broker, uint32_t grant);
int net_events_fd(const struct broker *broker);
uint64_t net_next_ns(const struct broker *broker);
void net_turn(struct broker *broker);

/* net_check.c: words in `why` when it is refused. */
bool net_check(const struct net *net, const struct grant *grant, const struct rule *rule,
	const struct rule_target *target, const struct address *address,
	char why[WIRE_WORDS_BYTES]);
/* A rule and what was asked, before anything is resolved. */
bool net_allows(const struct net *net, const struct rule *rule,
	const struct rule_target *target, char why[WIRE_WORDS_BYTES]);

/* net_names.c */
int names_begin(struct net *net); /* -errno */
void names_end(struct net *net);
/* dial_resolved() is called, perhaps before this returns. */
void names_ask(struct net *net, struct dial *dial);
void names_event(struct net *net, uint64_t data, uint32_t events);
void names_turn(struct net *net); /* what has waited long enough */
uint64_t names_next_ns(const struct net *net);
bool names_pinned(const struct net *net, const char *name, const struct address *address);
void names_saw(struct net *net, const char *name, const struct address *address);

/* epoll's data: a dial's try, or a socket of c-ares. */
#define NET_EVENT_NAMES (UINT64_C(1) << 63)

/* files.c */
void refusal_tell(struct broker *broker, uint32_t grant, enum device_op op, const char *path,
	enum device_error error, const char *why);
void reply_words(struct wire_reply *reply, const char *words);

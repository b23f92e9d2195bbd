/* SPDX-License-Identifier: Apache-2.0 */
/* control.h - a running tree, told what to do: the broker's side of --control.
 *
 *   control.c         the socket: who may speak, lines in, lines out
 *   control_do.c      a request -> what the broker does at once -> an order
 *   control_answer.c  the worker's answer -> JSON
 *   control_keys.c    root keys that may be cut: those of the start, those granted
 *
 *   client --JSON line, descriptors--> control --order--> worker, between two steps
 *          <--JSON line--------------          <--answer-
 *
 * Owns     the socket and its clients, requests that wait, the list of root keys.
 * Does     one request of each client at a time, one order to the worker at a time;
 *          a revocation is done by the broker at once, before its turn.
 * Callers  launch.c.
 * Never    opens a path for a client: descriptors come with the request. Never waits
 *          for a client, and believes nothing that the worker answers.
 * Errors   to clients, as objects: docs/control.md. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "tools/keyhold/launch.h"
#include "tools/keyhold/order.h"

enum {
	CONTROL_VERSION = 1,
	CONTROL_CLIENTS_MAX = 16,
	CONTROL_LINE_MAX = 64 << 10,
	CONTROL_FDS_MAX = 4,      /* that came and belong to no request yet */
};

/* --- root keys ----------------------------------------------------------------- */

enum live_state { LIVE, LIVE_REVOKED, LIVE_EXPIRED };

struct live_key {
	struct live_key *next;
	char *name, *domain, *spec;
	uint32_t grant;    /* the broker's; 0: nothing of the host's is behind it */
	enum live_state state;
	uint64_t ends_ns;  /* CLOCK_MONOTONIC; 0: by itself never */
};

/* --- requests ------------------------------------------------------------------- */

struct client;

struct work { /* a request that waits for the worker, or a key that expired */
	struct work *next;
	struct client *client; /* NULL: nobody is answered */
	json_t *id;            /* of the request; may be NULL */
	struct order order;    /* its texts are ours */
	char *texts[4];        /* domain, name, spec, path */
	uint32_t grant;        /* of a stream or key that goes if it fails; 0: none */
	uint64_t for_ns;       /* grant */
	bool is_network;       /* grant */
};

struct control {
	struct launch *launch;
	char *path;
	int listener, epoll, timer;
	uint64_t device, inode; /* of the socket's file, to remove no other */
	struct client *clients[CONTROL_CLIENTS_MAX];
	uint64_t turns;
	struct work *first, *last; /* `first` is with the worker if an order is out */
	struct live_key *keys;
	const char *world;
};

/* launch.c. 0 or an exit status, words said. Before the worker is made. */
int control_open(struct launch *launch, const char *path);
/* Watches it from the broker's loop. */
int control_begin(struct control *control);
void control_obeyed(struct control *control, const uint8_t *bytes, size_t count);
/* The worker has ended: who waits is told. NULL is fine. */
void control_close(struct control *control);

/* --- between its files ------------------------------------------------------------ */

/* control.c: takes the object. Client NULL: nobody hears. */
void control_answer(struct client *client, json_t *id, json_t *ok);
struct control_error {
	const char *code, *what, *key, *why, *saw, *allow; /* NULL: none */
};
void control_refuse(struct client *client, json_t *id, const struct control_error *error);
/* The next descriptor that came with what it said; -1: none. The caller's. */
int control_fd(struct client *client);

/* control_do.c: one line; answered at once, or later. True: later. */
bool control_do(struct control *control, struct client *client, const char *line, size_t bytes);
void work_push(struct control *control, struct work *work);
struct work *work_pop(struct control *control);
void control_next(struct control *control); /* gives the worker the next order */
/* One order; broker_order()'s answer, or -ENOMEM. */
int control_give(struct broker *broker, const struct order *order);
void control_gone(struct control *control, struct client *client); /* nobody waits any more */
void work_free(struct work *work);

/* control_answer.c */
void control_tell(struct control *control, struct work *work, const uint8_t *bytes, size_t count);

/* control_keys.c */
int keys_begin(struct control *control); /* those of the start: 0, -ENOMEM */
void keys_end(struct control *control);
struct live_key *key_find(struct control *control, const char *text);   /* "main:/data" */
struct live_key *key_named(struct control *control, const char *name);
/* One more, or again one that was cut; NULL: no memory. */
struct live_key *key_add(struct control *control, const char *name, const char *domain,
	const char *spec, uint32_t grant);
/* The broker cut, if there is something to cut. */
void key_cut(struct control *control, struct live_key *key, enum live_state state);
/* Those whose time is over, cut and ordered; and the timer set for the next. */
void keys_expire(struct control *control);
/* The time of a key of the start is over: the broker has cut it. */
void keys_expired(struct control *control, uint32_t grant);
uint64_t monotonic_ns(void);

/* SPDX-License-Identifier: Apache-2.0 */
/* theatre.h - worlds with real guests that do what a test says, through the real
 * gate. Everything stored twice is checked after each step.
 *
 * Use      theatre_open(&t);
 *          a = theatre_actor(&t, "a");           a puppet of the host's, with a kit
 *          rc = ask(&t, a, slot, KH_NODE_GET, .word = {3}, .receive = {20});
 *          t.heard has the answer's words, text and length
 *          theatre_close(&t);                    checks that nothing is left over
 *
 * A slot of 0 in send and receive is none (the creator lies there). */
#pragma once

#include "caps/caps.h"
#include "kernel/gate.h"
#include "kernel/tree.h"
#include "tests/caps/gate/command.h"
#include "tests/caps/gate/numbers.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_host.h"

enum {
	PENDING = 0x7fff0001, /* it waits for somebody */
	STOPPED = 0x7fff0002, /* it stopped otherwise: heard.stop */
	GONE = 0x7fff0003,    /* it is no more */
};

struct heard {
	uint32_t rc;
	uint64_t word[4], badge;
	uint32_t got;
	const uint8_t *text; /* in the guest's memory */
	struct stop stop;
};

struct order {
	uint64_t word[4];
	const void *text;
	uint32_t text_bytes;
	int send[4], receive[4];
	uint32_t room; /* 0: all there is; 1: none */
	uint32_t rc;   /* of a reply */
};

struct theatre {
	struct fake_host host;
	struct fake_device device;
	struct world *world;
	struct module *puppet;
	struct heard heard;
	uint32_t lulls;
	bool quiet; /* the fuzzer's: no check after each step */
};

void theatre_open(struct theatre *t);
void theatre_close(struct theatre *t);
/* A puppet below the world, or below another domain's tree, line and bank; it
 * stands at its first yield. */
struct domain *theatre_actor(struct theatre *t, const char *name);
struct domain *theatre_child(struct theatre *t, struct domain *parent, uint64_t gas, uint64_t bytes);
/* The bytes of the puppet's module. */
extern const uint8_t puppet_bytes[];
extern const uint32_t puppet_bytes_count;

/* Puts a command into its memory; it is carried out when it next runs. */
void tell(struct domain *domain, enum command_form form, int slot, uint32_t order,
	const struct order *message);
/* The same, carried out now; the answer's rc, or PENDING, STOPPED, GONE. */
uint32_t obey(struct theatre *t, struct domain *domain, enum command_form form, int slot,
	uint32_t order, const struct order *message);
/* One step, as world_run() makes it. false: nothing goes on by itself. */
bool theatre_step(struct theatre *t);
/* Lets the world run until it does not go on, and hears what the domain came to. */
uint32_t listen(struct theatre *t, struct domain *domain);

#define ask(t, domain, slot, what, ...)                                                          \
	obey(t, domain, COMMAND_CALL, slot, what, &(const struct order){__VA_ARGS__})
#define post(t, domain, slot, what, ...)                                                         \
	obey(t, domain, COMMAND_SEND, slot, what, &(const struct order){__VA_ARGS__})
#define reply(t, domain, slot, ...)                                                              \
	obey(t, domain, COMMAND_REPLY, slot, 0, &(const struct order){__VA_ARGS__})

/* A string as an order's text. */
#define TEXT(words) .text = words, .text_bytes = sizeof words - 1

/* A copy of the domain's key in this slot of another. */
void give_domain(struct domain *to, uint32_t slot, const struct domain *of, uint32_t rights);
void give_key(struct domain *to, uint32_t slot, const struct key *key);
/* Takes rights off the key in a slot. */
void weaken(struct domain *domain, uint32_t slot, uint32_t rights);

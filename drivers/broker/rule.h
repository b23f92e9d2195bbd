/* SPDX-License-Identifier: Apache-2.0 */
/* rule.h - what a network key allows: the one parser of address patterns.
 *
 *   tcp:HOST:PORTS   udp:HOST:PORTS   listen:ADDRESS:PORT
 *   unix:PATH        resolve:NAME
 *
 *   HOST     api.example.com | *.example.com | * | 192.0.2.1 | 10.0.0.0/8 |
 *            [2001:db8::1] | [2001:db8::/32]
 *   PORTS    443 | 8000-8100 | *
 *
 * Owns     nothing: a rule is plain data.
 * Does     reads a pattern, writes it in one canonical form, says whether a
 *          rule allows a host, a port, an address; whether one rule allows no
 *          more than another.
 * Callers  net*.c in the broker; tools/keyhold/keyspec.c, so that there is one
 *          grammar.
 * Never    asks anybody: names are names here.
 *
 * RULE1    names are lower case, without a final dot.
 * RULE2    a name never looks like an address. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/broker/address.h"
#include "kernel/base/report.h"

enum rule_kind { RULE_TCP, RULE_UDP, RULE_LISTEN, RULE_UNIX, RULE_RESOLVE };

const char *rule_kind_text(enum rule_kind kind); /* "tcp" */

enum rule_host {
	RULE_ANY,    /* "*" */
	RULE_NAME,   /* name */
	RULE_BELOW,  /* "*.name": every name that ends in .name, not name itself */
	RULE_RANGE,  /* address / length */
	RULE_PATH,   /* unix: name is a path */
};

enum { RULE_NAME_MAX = 253, RULE_TEXT_MAX = RULE_NAME_MAX + 32 };

struct rule {
	enum rule_kind kind;
	enum rule_host host;
	char name[RULE_NAME_MAX + 1];
	struct address address;
	uint8_t length;
	uint16_t port_first, port_last; /* 1 to 65535; listen: 0 is any that is free */
};

/* 0; -EINVAL, words in the report that say what to write instead. */
int rule_read(enum rule_kind kind, const char *text, struct report *report, struct rule *ret_rule);
/* Canonical: without the kind; reads back to the same rule. */
void rule_say(const struct rule *rule, char to[RULE_TEXT_MAX]);

/* What a guest asks for: "HOST:PORT", HOST a name or an address. */
struct rule_target {
	bool is_name;
	char name[RULE_NAME_MAX + 1];
	struct address address;
	uint16_t port;
};
/* Empty text: what the rule names, if it names one host and one port. `kind` RULE_RESOLVE: a
 * name without a port. False: it is neither. */
bool rule_target(const struct rule *rule, const char *text, struct rule_target *ret_target);

bool rule_allows_name(const struct rule *rule, const char *name);
bool rule_allows_port(const struct rule *rule, uint16_t port);
/* Is the address in the range it names? (It may still be special.) */
bool rule_holds(const struct rule *rule, const struct address *address);
/* Does the rule name this special range, or a part of it? "127.0.0.1", "127.0.0.0/8" do for
 * loopback, "0.0.0.0/0" and "*" do not; the name "localhost" does. */
bool rule_names(const struct rule *rule, const struct address_special *special);
/* Does `inner` allow nothing that `outer` does not? */
bool rule_narrower(const struct rule *inner, const struct rule *outer);
bool rule_needs_names(const struct rule *rule); /* may it ask a name server? */

/* Lower case, no final dot; false: not a name. */
bool rule_name(const char *text, size_t bytes, char ret_name[RULE_NAME_MAX + 1]);
bool rule_is_local(const char *name); /* localhost, and what is below it */

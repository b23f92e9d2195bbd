/* SPDX-License-Identifier: Apache-2.0 */
/* net_check.c - may this address be reached under this rule, and why not.
 *
 * Asked twice: as the guest asks (net_allows), and of each address that came of
 * it (net_check). A name says nothing of where it leads: who answers for it may
 * say 127.0.0.1 the second time. */
#include <stdio.h>
#include <string.h>

#include "drivers/broker/net.h"

/* Does the rule allow a name that has this address by a pin? */
static bool
pinned_under(const struct net *net, const struct rule *rule, const struct address *address)
{
	for (uint32_t i = 0; i < net->pins_count; i++)
		if (rule_allows_name(rule, net->pins[i].name) &&
			address_equal(&net->pins[i].address, address))
			return true;
	return false;
}

/* Was the address written down by the user himself, beside the name? */
static bool
pinned(const struct net *net, const struct rule *rule, const struct rule_target *target,
	const struct address *address)
{
	if (target->is_name)
		return names_pinned(net, target->name, address);
	return rule->host != RULE_ANY && pinned_under(net, rule, address);
}

bool
net_check(const struct net *net, const struct grant *grant, const struct rule *rule,
	const struct rule_target *target, const struct address *address,
	char why[WIRE_WORDS_BYTES])
{
	const struct address_special special = address_special(address);
	char text[ADDRESS_TEXT_MAX], with_port[ADDRESS_TEXT_MAX];
	const char *verb = target->is_name ? "it resolves to " : "";
	const char *is = target->is_name ? ", which is" : " is";

	if (!special.words)
		return true;
	address_say(address, -1, text, sizeof text);
	if (special.class == ADDRESS_METADATA) {
		(void)snprintf(why, WIRE_WORDS_BYTES, "%s%s%s %s, which no key opens", verb, text,
			is, special.words);
		return false;
	}
	if (rule_names(rule, &special) || grant->allow_private ||
		pinned(net, rule, target, address))
		return true;
	address_say(address, target->port, with_port, sizeof with_port);
	(void)snprintf(why, WIRE_WORDS_BYTES, "%s%s%s %s; name it itself: %s:%s", verb, text, is,
		special.words, rule_kind_text(rule->kind), with_port);
	return false;
}

/* Under a rule that names names: is it an address that one of them has, as far
 * as we were told when we asked? Programs resolve first, then connect. */
static bool
resolved_before(const struct net *net, const struct rule *rule, const struct address *address)
{
	if (pinned_under(net, rule, address))
		return true;
	for (uint32_t i = 0; i < NET_SEEN && i < net->seen_put; i++)
		if (rule_allows_name(rule, net->seen[i].name) &&
			address_equal(&net->seen[i].address, address))
			return true;
	return rule_is_local(rule->name) && address_special(address).class == ADDRESS_LOOPBACK;
}

bool
net_allows(const struct net *net, const struct rule *rule, const struct rule_target *target,
	char why[WIRE_WORDS_BYTES])
{
	char allowed[RULE_TEXT_MAX];

	rule_say(rule, allowed);
	if (!rule_allows_port(rule, target->port)) {
		(void)snprintf(why, WIRE_WORDS_BYTES, "the key allows %.150s", allowed);
		return false;
	}
	if (target->is_name ? rule_allows_name(rule, target->name)
			    : rule_holds(rule, &target->address))
		return true;
	if (!target->is_name && (rule->host == RULE_NAME || rule->host == RULE_BELOW)) {
		if (resolved_before(net, rule, &target->address))
			return true;
		(void)snprintf(why, WIRE_WORDS_BYTES,
			"the key allows %.100s, and no name of it was resolved to this address",
			allowed);
	} else if (target->is_name && rule->host == RULE_RANGE) {
		(void)snprintf(why, WIRE_WORDS_BYTES,
			"the key allows the addresses %.100s, and no name is asked for", allowed);
	} else {
		(void)snprintf(why, WIRE_WORDS_BYTES, "the key allows %.150s", allowed);
	}
	return false;
}

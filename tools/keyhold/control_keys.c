/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

#include "tools/keyhold/control.h"

uint64_t
monotonic_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct live_key *
key_named(struct control *control, const char *name)
{
	for (struct live_key *key = control->keys; key; key = key->next)
		if (!strcmp(key->name, name))
			return key;
	return NULL;
}

struct live_key *
key_find(struct control *control, const char *text)
{
	for (struct live_key *key = control->keys; key; key = key->next) {
		const size_t domain = strlen(key->domain);

		if (!strncmp(text, key->domain, domain) && text[domain] == ':' &&
			!strcmp(text + domain + 1, key->name))
			return key;
	}
	return NULL;
}

static void
key_free(struct live_key *key)
{
	free(key->name);
	free(key->domain);
	free(key->spec);
	free(key);
}

struct live_key *
key_add(struct control *control, const char *name, const char *domain, const char *spec,
	uint32_t grant)
{
	struct live_key *key = calloc(1, sizeof(*key)), **at = &control->keys;

	if (!key)
		return NULL;
	*key = (struct live_key){.name = strdup(name), .domain = strdup(domain), .spec = strdup(spec),
		.grant = grant};
	if (!key->name || !key->domain || !key->spec) {
		key_free(key);
		return NULL;
	}
	/* In the order they came; again in the place of the one that was cut. */
	while (*at && strcmp((*at)->name, name))
		at = &(*at)->next;
	if (*at) {
		struct live_key *before = *at;

		key->next = before->next;
		key_free(before);
	}
	*at = key;
	return key;
}

int
keys_begin(struct control *control)
{
	const struct launch *launch = control->launch;

	for (uint32_t i = 0; i < launch->keys_count; i++)
		if (!key_add(control, launch->keys[i].name, "main", launch->keys[i].text,
			launch->roots[i].root.number))
			return -ENOMEM;
	return 0;
}

void
keys_end(struct control *control)
{
	struct live_key *next;

	for (struct live_key *key = control->keys; key; key = next) {
		next = key->next;
		key_free(key);
	}
	control->keys = NULL;
}

void
key_cut(struct control *control, struct live_key *key, enum live_state state)
{
	key->state = state;
	key->ends_ns = 0;
	if (state == LIVE_EXPIRED)
		(void)ledger_expired(&control->launch->ledger, key->grant);
	/* What cannot be stopped ends the worker, and the outcome says so. */
	if (key->grant)
		(void)broker_revoke(control->launch->broker, key->grant);
}

static void
timer_set(const struct control *control, uint64_t at_ns)
{
	const struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(at_ns / 1000000000),
		.tv_nsec = (long)(at_ns % 1000000000)}};

	(void)timerfd_settime(control->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* The world's cut of it; nobody asked. */
static void
order_cut(struct control *control, const struct live_key *key)
{
	struct work *work = calloc(1, sizeof(*work));

	if (!work)
		return; /* the broker's cut holds all the same */
	work->order = (struct order){.what = DO_CUT};
	work->order.name = work->texts[1] = strdup(key->name);
	work_push(control, work);
}

void
keys_expire(struct control *control)
{
	const uint64_t now = monotonic_ns();
	uint64_t next = 0;

	for (struct live_key *key = control->keys; key; key = key->next) {
		if (!key->ends_ns)
			continue;
		if (key->ends_ns <= now) {
			key_cut(control, key, LIVE_EXPIRED);
			order_cut(control, key);
		} else if (!next || key->ends_ns < next) {
			next = key->ends_ns;
		}
	}
	timer_set(control, next); /* 0: off */
	control_next(control);
}

void
keys_expired(struct control *control, uint32_t grant)
{
	for (struct live_key *key = control->keys; key; key = key->next) {
		if (key->grant != grant || key->state != LIVE)
			continue;
		key->state = LIVE_EXPIRED;
		order_cut(control, key);
	}
	control_next(control);
}

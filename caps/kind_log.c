/* SPDX-License-Identifier: Apache-2.0 */
/* kind_log.c - lines that an operator reads: a ring of the last ones, which the
 * host pays for once and empties when it likes. What it has not read in time is
 * overwritten and counted. */
#include "caps/orders.h"

#include <string.h>

static void
copy(char *to, uint64_t room, const char *from, uint64_t bytes)
{
	uint64_t i = 0;

	for (; i < bytes && i + 1 < room; i++)
		to[i] = from[i] >= ' ' && from[i] != 0x7f ? from[i] : '?';
	to[i] = 0;
}

enum order_end
order_log_write(struct invocation *inv)
{
	struct caps_state *state = caps_state(inv->world);
	struct caps_line *line;

	if (inv->in.text_bytes > CAPS_LINE_MAX)
		return gate_rc(inv, RC_BAD_WORD);
	if (!state->log)
		state->log = heap_take(state->heap, sizeof *state->log);
	if (!state->log)
		return gate_rc(inv, RC_NO_SPACE);
	line = &state->log->lines[state->log->written++ % CAPS_LOG_LINES];
	*line = (struct caps_line){0};
	copy(line->who, sizeof line->who, inv->domain->name, strlen(inv->domain->name));
	copy(line->text, sizeof line->text, (const char *)inv->in.text, inv->in.text_bytes);
	return gate_rc(inv, RC_OK);
}

void
log_image_write(struct world *world, const struct key *key, struct sink *sink)
{
	(void)world;
	(void)key;
	(void)sink;
}

bool
log_image_bind(struct world *world, struct domain *domain, struct bytes_in *in,
	struct key *ret_key)
{
	(void)world;
	(void)domain;
	(void)in;
	*ret_key = caps_log_key();
	return true;
}

struct key
caps_log_key(void)
{
	return (struct key){.kind = KIND_log, .grant = GRANT_NONE};
}

bool
caps_log_take(struct world *world, struct caps_line *ret_line)
{
	struct caps_state *state = caps_state(world);
	struct log *log = state ? state->log : NULL;
	uint64_t lost = 0;

	if (!log || log->taken == log->written)
		return false;
	if (log->written - log->taken > CAPS_LOG_LINES) {
		lost = log->written - log->taken - CAPS_LOG_LINES;
		log->taken += lost;
	}
	*ret_line = log->lines[log->taken++ % CAPS_LOG_LINES];
	ret_line->lost = lost;
	return true;
}

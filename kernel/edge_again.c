/* SPDX-License-Identifier: Apache-2.0 */
/* edge_again.c - one subtree had again, alone, from what edge_record.c wrote.
 *
 * Between two steps what came from outside then is done again; in a step each
 * thing that leaves has to be the next record. A stand-in is charged nothing and
 * never runs. */
#include <errno.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/edge_in.h"
#include "kernel/gate_inside.h"
#include "kernel/journal.h"
#include "kernel/tree.h"

enum { STAND_IN_SLOTS = 8, STAND_IN_KEY = 4 };

/* --- words ------------------------------------------------------------------------- */

void
edge_diverge(struct edge *edge, const char *what)
{
	const uint64_t used = edge->top ? line_used(&edge->world->clock, &edge->top->meter.line) : 0;

	report_say(&edge->diverged, bytes_offset(&edge->in),
		"it goes another way than it did: %s, at gas %llu, step %llu of it", what,
		(unsigned long long)used, (unsigned long long)edge->seq);
}

bool
edge_peek(struct edge *edge, struct edge_entry *ret_entry)
{
	struct bytes_in in = edge->in;

	ret_entry->type = bytes_u8(&in);
	ret_entry->used = bytes_u64(&in);
	ret_entry->seq = bytes_u64(&in);
	ret_entry->in = in;
	return !in.bad;
}

/* The next record is of this type and of now; else words. */
bool
edge_expect(struct edge *edge, enum edge_record type, const char *what, struct edge_entry *ret_entry)
{
	if (edge->diverged.text[0])
		return false;
	if (!edge_peek(edge, ret_entry) || ret_entry->type != type || ret_entry->seq != edge->seq ||
		ret_entry->used != line_used(&edge->world->clock, &edge->top->meter.line)) {
		edge_diverge(edge, what);
		return false;
	}
	return true;
}

bool
edge_expect_hash(struct edge *edge, enum edge_record type, const uint8_t hash[32], const char *none,
	const char *other)
{
	struct edge_entry entry;
	const uint8_t *then;

	if (!edge_expect(edge, type, none, &entry))
		return false;
	then = bytes_take(&entry.in, 32);
	if (!then || memcmp(then, hash, 32)) {
		edge_diverge(edge, other);
		return false;
	}
	edge->in = entry.in;
	return true;
}

/* --- stand-ins and replicas ------------------------------------------------------------ */

static struct domain *
stand_in_new(struct edge *edge)
{
	static const struct domain_above above;
	struct domain *domain;
	struct report report;

	report_clear(&report);
	if (domain_make(edge->world, &above, "outside", BANK_NO_LIMIT, false, &report, &domain))
		return NULL;
	if (domain_slots_room(domain, STAND_IN_SLOTS))
		return NULL;
	return domain;
}

/* An ordinal is one met before, or the next. */
static struct edge_outer *
outer_at(struct edge *edge, uint32_t ordinal, uint8_t kind)
{
	const struct edge_outer outer = {.kind = kind, .object = OBJECT_NONE};

	if (ordinal > edge->outers_count ||
		(ordinal == edge->outers_count && edge_outer(edge, &outer) == EDGE_NOWHERE))
		return NULL;
	return edge->outers[ordinal].kind == kind ? &edge->outers[ordinal] : NULL;
}

struct domain *
edge_get_stand_in(struct edge *edge, struct bytes_in *in)
{
	const uint32_t ordinal = bytes_u32(in);
	struct edge_outer *outer = in->bad ? NULL : outer_at(edge, ordinal, KEY_DOMAIN);

	if (outer && !outer->stand_in)
		outer->stand_in = stand_in_new(edge);
	return outer ? outer->stand_in : NULL;
}

static bool
get_module(struct edge *edge, struct bytes_in *in)
{
	const uint64_t bytes = bytes_u64(in);
	const uint8_t *at = bytes ? bytes_take(in, bytes) : NULL;
	struct module *module;
	struct report report;
	uint8_t hash[32];

	if (!at)
		return !in->bad && !bytes;
	blake2b_256(at, bytes, hash);
	report_clear(&report);
	return world_module_by_hash(edge->world, hash) ||
		!world_module(edge->world, at, bytes, &report, &module);
}

static bool
get_body(struct edge *edge, struct bytes_in *in, uint8_t kind, uint32_t *ret_object)
{
	const struct caps *caps = edge->world->config.caps;
	const uint64_t bytes = bytes_u64(in), said_bytes = bytes_u64(in);
	const uint8_t *said = bytes_take(in, said_bytes);
	struct bytes_in said_in = bytes_in(said ? said : (const uint8_t *)"", said ? said_bytes : 0);
	struct bank *payer = &edge->world->bank;

	if (!said || !get_module(edge, in) || !caps->object_fits || !caps->object_fits(kind, bytes))
		return false;
	*ret_object = object_new(edge->world, kind, payer, bytes);
	return *ret_object != OBJECT_NONE &&
		caps->object_read(edge->world, kind, payer, object_at(edge->world, *ret_object)->body,
			bytes, &said_in) &&
		!bytes_left(&said_in);
}

static bool
get_replica(struct edge *edge, struct bytes_in *in, uint8_t kind, struct key *ret_key)
{
	const uint32_t ordinal = bytes_u32(in), known = edge->outers_count;
	const bool first = bytes_u8(in);
	struct edge_outer *outer;

	if (in->bad || !edge_is_fixed(kind) || first != (ordinal == known))
		return false;
	outer = outer_at(edge, ordinal, kind);
	if (!outer || (first && !get_body(edge, in, kind, &outer->object)))
		return false;
	*ret_key = object_key(edge->world, edge->outers[ordinal].object, 0);
	return true;
}

/* --- keys ------------------------------------------------------------------------------- */

static bool
get_inner(struct edge *edge, struct bytes_in *in, uint8_t how, uint8_t kind, struct key *ret_key)
{
	const uint32_t place = bytes_u32(in);
	const bool of_domain = edge_kind_has_domain(kind);
	const struct domain *domain;
	uint32_t object;

	if (in->bad || of_domain != (how == REF_DOMAIN))
		return false;
	if (of_domain) {
		domain = edge_domain_at(edge, place);
		if (domain)
			*ret_key = domain_key(domain, kind);
		return domain;
	}
	object = edge_object_at(edge, place);
	if (object == EDGE_NOWHERE || object_at(edge->world, object)->kind != kind)
		return false;
	*ret_key = object_key(edge->world, object, 0);
	return true;
}

static bool
get_outer(struct edge *edge, struct bytes_in *in, uint8_t kind, struct key *ret_key)
{
	const struct kind *row = &edge->world->config.caps->kinds[kind];
	struct edge_outer *outer;
	struct domain *domain;
	uint32_t ordinal;

	if (edge_kind_has_domain(kind)) {
		domain = edge_get_stand_in(edge, in);
		if (domain)
			*ret_key = domain_key(domain, kind);
		return domain;
	}
	ordinal = bytes_u32(in);
	if (in->bad || row->image_write || edge_is_fixed(kind) || kind == KEY_NUMBER || kind == KEY_SLOTS)
		return false;
	outer = outer_at(edge, ordinal, kind);
	if (outer && edge_is_payer(kind)) {
		if (outer->object == OBJECT_NONE)
			outer->object = edge_payer_new(edge, kind);
		*ret_key = object_key(edge->world, outer->object, 0);
		return outer->object != OBJECT_NONE;
	}
	*ret_key = (struct key){.kind = kind, .object = EDGE_STUBS | ordinal,
		.generation = UINT32_MAX, .grant = GRANT_NONE};
	return outer;
}

static bool
get_said(struct edge *edge, struct bytes_in *in, uint8_t kind, struct key *ret_key)
{
	const struct kind *row = &edge->world->config.caps->kinds[kind];
	const uint32_t bytes = bytes_u32(in);
	const uint8_t *at = bytes_take(in, bytes);
	struct bytes_in said = bytes_in(at ? at : (const uint8_t *)"", at ? bytes : 0);
	const uint8_t opened = bytes_u8(in);

	if (!at || !row->image_bind || opened > 1)
		return false;
	if (!row->image_bind(edge->world, NULL, &said, ret_key))
		*ret_key = (struct key){.grant = GRANT_NONE};
	else if (opened)
		(void)edge_key_open(edge, ret_key, true);
	return true;
}

static bool
get_grant(struct edge *edge, struct bytes_in *in, struct key *key)
{
	const uint32_t place = bytes_u32(in);
	struct grants *grants = &edge->world->grants;
	const struct object *object;

	if (in->bad)
		return false;
	if (place != EDGE_NOWHERE) {
		object = object_at(edge->world, edge_object_at(edge, place));
		if (!object || object->kind != KEY_GRANT || *(const uint32_t *)object->body == GRANT_NONE)
			return false;
		key->grant = *(const uint32_t *)object->body;
		key->grant_generation = grants->at[key->grant].generation;
		return true;
	}
	if (!edge_get_outer_grant(edge, in, &key->grant))
		return false;
	key->grant_generation = key->grant == GRANT_NONE ? 0 : grants->at[key->grant].generation;
	return true;
}

bool
edge_get_key(struct edge *edge, struct bytes_in *in, struct key *ret_key)
{
	const uint8_t how = bytes_u8(in), kind = how == REF_VOID ? 0 : bytes_u8(in);
	struct key key = {.kind = kind, .grant = GRANT_NONE}, narrow;
	bool good;

	*ret_key = (struct key){0};
	if (in->bad || how == REF_VOID)
		return !in->bad;
	if (kind == KEY_VOID || kind >= edge->world->config.caps->kinds_count)
		return false;
	switch (how) {
	case REF_DOMAIN:
	case REF_OBJECT:
		good = get_inner(edge, in, how, kind, &key);
		break;
	case REF_OUTER:
		good = get_outer(edge, in, kind, &key);
		break;
	case REF_REPLICA:
		good = get_replica(edge, in, kind, &key);
		break;
	case REF_SAID:
		good = get_said(edge, in, kind, &key);
		break;
	default:
		good = how == REF_PLAIN && kind == KEY_NUMBER;
	}
	narrow.flags = bytes_u8(in);
	narrow.rights = bytes_u32(in);
	narrow.badge = bytes_u64(in);
	if (how != REF_SAID || edge_key_open(edge, &key, false)) { /* its own may be more than a root's */
		key.flags = narrow.flags;
		key.rights = narrow.rights;
		key.badge = narrow.badge;
	}
	if (!good || !get_grant(edge, in, &key))
		return false;
	if (how == REF_SAID && !key_is_void(&key) && edge->world->config.caps->kinds[kind].image_under)
		edge->world->config.caps->kinds[kind].image_under(edge->world, &key);
	*ret_key = key_is_void(&key) ? (struct key){0} : key;
	return true;
}

bool
edge_get_message(struct edge *edge, struct bytes_in *in, struct message *ret_message)
{
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		ret_message->words[i] = bytes_u64(in);
	ret_message->badge = bytes_u64(in);
	ret_message->text = bytes_text(in, &ret_message->text_bytes);
	if (in->bad || ret_message->text_bytes > MESSAGE_TEXT_MAX)
		return false;
	for (unsigned i = 0; i < MESSAGE_KEYS; i++)
		if (!edge_get_key(edge, in, &ret_message->keys[i]))
			return false;
	return true;
}

/* --- the device ----------------------------------------------------------------------------- */

static int
again_submit(struct device *device, const struct device_request *request)
{
	struct edge *edge = (struct edge *)(void *)((uint8_t *)device - offsetof(struct edge, device));

	if (edge->flight_count == edge->flight_room) {
		const uint32_t room = edge->flight_room ? 2 * edge->flight_room : 16;
		uint64_t *flight = heap_resize(edge->heap, edge->flight,
			edge->flight_room * sizeof *flight, room * sizeof *flight);

		if (!flight)
			return -DEVICE_EAGAIN;
		edge->flight = flight;
		edge->flight_room = room;
	}
	edge->flight[edge->flight_count++] = request->id;
	return 0;
}

static void
again_cancel(struct device *device, uint64_t id)
{
	(void)device;
	(void)id;
}

static bool
again_reap(struct device *device, bool wait, struct device_completion *ret_completion)
{
	struct edge *edge = (struct edge *)(void *)((uint8_t *)device - offsetof(struct edge, device));

	if (edge->frozen && wait && edge->flight_count) {
		*ret_completion = (struct device_completion){
			.id = edge->flight[--edge->flight_count], .result = -DEVICE_ECANCELED};
		return true;
	}
	if (!edge->is_due)
		return false;
	edge->is_due = false;
	*ret_completion = edge->due;
	for (uint32_t i = 0; i < edge->flight_count; i++)
		if (edge->flight[i] == edge->due.id)
			edge->flight[i] = edge->flight[--edge->flight_count];
	return true;
}

static void
again_done(struct device *device, uint64_t id)
{
	(void)device;
	(void)id;
}

struct device *
edge_device(struct edge *edge)
{
	edge->device = (struct device){again_submit, again_cancel, again_reap, again_done};
	return &edge->device;
}

void
edge_freeze(struct edge *edge)
{
	edge->frozen = true;
}

/* --- how it begins ------------------------------------------------------------------------------ */

int
edge_open(struct edge *edge, struct heap *heap, const uint8_t *bytes, size_t count,
	struct report *report)
{
	const struct device device = edge->device;
	struct bytes_in in = bytes_in(bytes, count);
	const uint8_t *mark = bytes_take(&in, sizeof edge_magic);
	uint32_t version, zero;
	uint8_t hash[32];

	if (!mark || memcmp(mark, edge_magic, sizeof edge_magic)) {
		report_say(report, 0, "it is no journal of a subtree: it does not begin with one's header");
		return -EINVAL;
	}
	version = bytes_u32(&in);
	zero = bytes_u32(&in);
	if (in.bad || version != EDGE_VERSION || zero) {
		report_say(report, 8, "a journal of a subtree of version %u; this program reads version %d",
			version, EDGE_VERSION);
		return -EINVAL;
	}
	blake2b_256(bytes, count > 32 ? count - 32 : 0, hash);
	if (count < EDGE_HEADER_BYTES + 32 || memcmp(hash, bytes + count - 32, 32)) {
		report_say(report, count, "the journal of a subtree is damaged or was cut off: it has not "
			"the hash it had");
		return -EINVAL;
	}
	*edge = (struct edge){.heap = heap, .again = true, .in = in, .device = device};
	edge->in.end -= 32;
	report_clear(&edge->diverged);
	return 0;
}

static bool
put_at(struct edge *edge, uint32_t place, uint32_t slot, const struct key *key)
{
	struct domain *domain = edge_domain_at(edge, place);
	uint32_t object, count;
	struct key *keys;

	if (slot >= EDGE_SLOT_OBJECT) {
		object = edge_object_at(edge, place);
		keys = object == EDGE_NOWHERE ? NULL : edge_object_keys(edge, object, &count);
		if (!keys || slot - EDGE_SLOT_OBJECT >= count)
			return false;
		keys[slot - EDGE_SLOT_OBJECT] = *key;
		return true;
	}
	if (!domain)
		return false;
	if (slot == EDGE_SLOT_KEEPER)
		domain->keeper = *key;
	else if (slot == EDGE_SLOT_METER_KEEPER)
		domain->meter.keeper = *key;
	else if (slot < domain->slots_count)
		domain->slots[slot] = *key;
	else
		return false;
	return true;
}

static bool
get_outward_keys(struct edge *edge)
{
	struct bytes_in *in = &edge->in;
	struct key key;

	for (uint32_t left = bytes_u32(in); left && !in->bad; left--) {
		const uint32_t place = bytes_u32(in), slot = bytes_u32(in);

		if (!edge_get_key(edge, in, &key) || !put_at(edge, place, slot, &key))
			return false;
	}
	return !in->bad;
}

static bool
get_runners(struct edge *edge)
{
	struct bytes_in *in = &edge->in;

	for (uint32_t left = bytes_u32(in); left && !in->bad; left--) {
		struct domain *child = edge_domain_at(edge, bytes_u32(in));
		struct domain *runner = edge_get_stand_in(edge, in);
		const uint8_t wait = bytes_u8(in);
		const uint32_t calls = bytes_u32(in);

		if (in->bad || !child || !runner || child->runner || runner->runs ||
			(wait != WAIT_RUN && wait != WAIT_INVOKE))
			return false;
		runner->state = DOMAIN_CALLING;
		runner->wait = wait;
		runner->calls = calls;
		runner->runs = child;
		child->runner = runner;
	}
	return !in->bad;
}

static bool
get_callers(struct edge *edge)
{
	struct bytes_in *in = &edge->in;

	for (uint32_t left = bytes_u32(in); left && !in->bad; left--) {
		struct domain *callee = edge_domain_at(edge, bytes_u32(in));
		struct domain *caller = edge_get_stand_in(edge, in);

		if (in->bad || !callee || !caller || caller->state != DOMAIN_STOPPED)
			return false;
		caller->state = DOMAIN_QUEUED;
		caller->callee = callee;
		queue_add(&callee->callers, caller);
	}
	return !in->bad;
}

int
edge_begin(struct edge *edge, struct world *world, uint64_t until, struct report *report)
{
	const struct domain_above above = {.line = &edge->meter.line};
	struct clock_gas *clock = &world->clock;
	const uint64_t bytes = bytes_u64(&edge->in), zero = bytes_u64(&edge->in);
	const uint8_t *image = bytes_take(&edge->in, bytes);
	uint64_t used;
	int error;

	edge->world = world;
	meter_init(&edge->meter, &world->meter.line);
	line_limit(clock, &edge->meter.line, GAS_NO_LIMIT);
	if (!image || zero) {
		report_say(report, bytes_offset(&edge->in), "the journal has no image");
		return -EINVAL;
	}
	error = image_read_below(world, &above, image, bytes, report, &edge->top);
	if (error) {
		report_say(report, UINT64_MAX, "there is no room for its image");
		return error;
	}
	world->edge = edge;
	edge->began = clock->now;
	if (!edge_get_inner_grants(edge) || !get_outward_keys(edge) || !get_runners(edge) ||
		!get_callers(edge) || !edge_get_purses(edge)) {
		report_say(report, bytes_offset(&edge->in), "what it holds of the outside is not well-formed");
		return -EINVAL;
	}
	edge_watch_banks(edge);
	used = line_used(clock, &edge->top->meter.line);
	if (until != GAS_NO_LIMIT)
		line_limit(clock, &edge->meter.line, until > used ? until - used : 0);
	return 0;
}

/* --- what came from outside ------------------------------------------------------------------------ */

/* The stand-in waits no more. */
void
edge_answered(struct domain *stand_in)
{
	gate_over(stand_in);
	queue_drop(stand_in);
	stand_in->state = DOMAIN_STOPPED;
}

void
edge_unsettled(struct edge *edge)
{
	while (edge->world->lost)
		gate_lost_drop(edge->world->lost);
}

/* Its key is used as it was then. */
static bool
used_again(struct edge *edge, const struct invocation *inv, bool counted)
{
	if (counted)
		return key_alive(&edge->world->grants, &inv->key);
	return key_usable(edge->world, &inv->key, inv->in.text_bytes) == GATE_OK;
}

/* Orders are served as they are for any guest, so they can do no more than one. */
static bool
order_again(struct edge *edge, struct edge_entry *entry)
{
	struct bytes_in *in = &entry->in;
	struct domain *stand_in = edge_get_stand_in(edge, in);
	const uint32_t calls = bytes_u32(in);
	const uint64_t progress = bytes_u64(in);
	const uint8_t how = bytes_u8(in), form = how & 127;
	struct call call = {.world = edge->world, .domain = stand_in};
	struct invocation inv = {.call = &call, .world = edge->world, .domain = stand_in,
		.form = (enum gate_form)form, .order = bytes_u32(in), .slot = STAND_IN_KEY};
	enum order_end end;
	struct edge_entry next;
	uint8_t hash[32];

	if (!stand_in || !edge_get_key(edge, in, &inv.key) || !edge_get_message(edge, in, &inv.in))
		return false;
	if (form > GATE_REPLY || edge_side(edge, &inv.key) != SIDE_IN ||
		stand_in->state == DOMAIN_CALLING || stand_in->state == DOMAIN_AVAILABLE ||
		(form == GATE_CALL && !key_is_void(&inv.in.keys[3])))
		return false;
	edge->in = *in;
	if (edge_peek(edge, &next) && next.type == EDGE_END)
		return true; /* it ended all of it, which is no more to be seen */
	for (int i = 0; i < MESSAGE_KEYS; i++) {
		inv.send_slots[i] = i;
		stand_in->slots[i] = inv.in.keys[i];
	}
	if (!used_again(edge, &inv, how >> 7))
		return false;
	stand_in->slots[STAND_IN_KEY] = inv.key;
	stand_in->calls = calls;
	stand_in->progress = progress;
	stand_in->charged = UINT64_MAX;
	line_switch(&edge->world->clock, &stand_in->meter.line);
	edge->world->busy++; /* as in the step that it was made in */
	end = edge->world->config.caps->invoke(&inv);
	edge->world->busy--;
	stand_in->charged = 0;
	if (end == ORDER_DONE) {
		edge_hash_message(edge, &inv.rc, 1, &inv.out, hash);
		(void)edge_expect_hash(edge, EDGE_LEFT, hash, "an order from outside was not answered at once then",
			"an order from outside is answered otherwise");
	} else if (end != ORDER_STALLED && end != ORDER_AGAIN) {
		edge_diverge(edge, "an order from outside cannot be carried out");
	}
	edge_unsettled(edge);
	return true;
}

static bool
answer_again(struct edge *edge, struct edge_entry *entry)
{
	struct domain *domain = edge_domain_at(edge, bytes_u32(&entry->in));
	const uint32_t rc = bytes_u32(&entry->in);
	struct message message;

	if (entry->in.bad || !domain || domain->state != DOMAIN_CALLING ||
		!edge_get_message(edge, &entry->in, &message))
		return false;
	edge->in = entry->in;
	gate_answer(domain, rc, &message);
	edge_unsettled(edge);
	return true;
}

static bool
completion_again(struct edge *edge, struct edge_entry *entry)
{
	struct domain *domain = edge_domain_at(edge, bytes_u32(&entry->in));

	if (entry->in.bad || !domain || domain->state != DOMAIN_WAITING || !domain->request ||
		!journal_get_completion(&entry->in, domain->request, &edge->due))
		return false;
	edge->in = entry->in;
	edge->is_due = true;
	return world_take_completion(edge->world, false);
}

static bool
wake_again(struct edge *edge, struct edge_entry *entry)
{
	struct domain *domain = edge_domain_at(edge, bytes_u32(&entry->in));

	if (entry->in.bad || !domain)
		return false;
	edge->in = entry->in;
	switch (domain->state) {
	case DOMAIN_STOPPED:
		if (domain->held)
			return false;
		domain_start(domain);
		return domain->state == DOMAIN_READY;
	case DOMAIN_WAITING:
		if (domain->request)
			return false;
		break;
	case DOMAIN_QUEUED:
		if (edge_is_in(edge, domain->callee))
			return false;
		break;
	case DOMAIN_PARKED:
		edge->meter.told = false;
		tree_wake(domain);
		return true;
	case DOMAIN_READY:
	case DOMAIN_CALLING:
	case DOMAIN_AVAILABLE:
	case DOMAIN_STATE_COUNT:
		return false;
	}
	domain_ready(domain);
	return true;
}

/* Whoever outside drove it was told that it waits. */
static bool
return_again(struct edge *edge, struct edge_entry *entry)
{
	struct domain *domain = edge_domain_at(edge, bytes_u32(&entry->in));

	if (entry->in.bad || !domain || !domain->runner || edge_is_in(edge, domain->runner))
		return false;
	edge->in = entry->in;
	domain->poll = false;
	edge_answered(domain->runner);
	return true;
}

static bool
end_again(struct edge *edge, struct edge_entry *entry)
{
	const bool told = bytes_u8(&entry->in);
	const uint8_t *then = bytes_take(&entry->in, 32);
	uint8_t hash[32];
	int error;

	if (!then || bytes_left(&entry->in))
		return false;
	edge->in = entry->in;
	edge->over = true;
	error = edge_image_hash(edge, hash);
	if (told != !error || (told && memcmp(hash, then, sizeof hash)))
		edge_diverge(edge, "it ends as another image than it did");
	return true;
}

static bool
outside(struct edge *edge, struct edge_entry *entry)
{
	switch (entry->type) {
	case EDGE_ORDER:
		return order_again(edge, entry);
	case EDGE_ANSWER:
		return answer_again(edge, entry);
	case EDGE_COMPLETION:
		return completion_again(edge, entry);
	case EDGE_WAKE:
		return wake_again(edge, entry);
	case EDGE_RETURN:
		return return_again(edge, entry);
	case EDGE_END:
		return end_again(edge, entry);
	case EDGE_CLOCK:
		return edge_clock_again(edge, entry);
	case EDGE_GRANT:
		return edge_grant_again(edge, entry);
	case EDGE_ASK:
		return edge_ask_again(edge, entry);
	case EDGE_HOLD:
		return edge_hold_again(edge, entry);
	case EDGE_UNHOLD:
		return edge_unhold_again(edge, entry);
	case EDGE_REVOKED:
		return edge_revoked_again(edge, entry);
	case EDGE_LET_GO:
		return edge_let_go_again(edge, entry);
	case EDGE_ENDED:
		return edge_ended_again(edge, entry);
	case EDGE_ABOVE:
		return edge_above_again(edge, entry);
	default:
		return false;
	}
}

static bool
is_from_outside(uint8_t type)
{
	return type != EDGE_LEFT && type != EDGE_OUT && type != EDGE_REQUEST && type != EDGE_REFUSED &&
		type != EDGE_DRY && type != EDGE_KEEPER && type != EDGE_BYTES;
}

enum edge_end
edge_next(struct edge *edge)
{
	struct world *world = edge->world;
	struct edge_entry entry;

	if (edge->diverged.text[0])
		return EDGE_DIVERGED;
	if (edge->reached)
		return EDGE_UNTIL;
	if (edge->over)
		return EDGE_SAME;
	if (!edge_peek(edge, &entry)) {
		edge_diverge(edge, "its journal ends before it does");
		return EDGE_DIVERGED;
	}
	edge->inside = true;
	if (entry.seq == edge->seq && is_from_outside(entry.type)) {
		if (entry.used != line_used(&world->clock, &edge->top->meter.line))
			edge_diverge(edge, "it has used other gas than when something came from outside");
		else if (!outside(edge, &entry))
			edge_diverge(edge, "what came from outside does not fit it");
	} else if (world->ready.head) {
		world_step(world, world->ready.head);
		edge_above_over(edge);
	} else {
		edge_diverge(edge, "none of it can go on, and nothing came from outside");
	}
	return edge->diverged.text[0] ? EDGE_DIVERGED : EDGE_GOES_ON;
}

/* --- what leaves -------------------------------------------------------------------------------------- */

/* What the order did to whoever gave it. */
static enum order_end
come_to(struct edge *edge, struct invocation *inv, enum order_end end, uint8_t state, uint8_t wait)
{
	struct domain *domain = inv->domain, *other = domain_of(edge->world, &inv->key);

	if (inv->key.kind == KEY_RESUME && other) {
		if (inv->slot >= 0)
			domain->slots[inv->slot] = (struct key){0};
		edge_answered(other);
	}
	if (end != ORDER_STALLED)
		return end;
	if (state == DOMAIN_CALLING && wait > WAIT_NOTHING && wait <= WAIT_INVOKE) {
		domain->callee = NULL;
		(void)gate_wait_reply(domain, wait, &inv->key);
		return end;
	}
	if (state != DOMAIN_QUEUED || !other) {
		edge_diverge(edge, "what it waits for then is nothing to wait for");
		return gate_rc(inv, GATE_GONE);
	}
	queue_drop(domain);
	domain->state = DOMAIN_QUEUED;
	domain->callee = other;
	queue_add(&other->callers, domain);
	return end;
}

static enum order_end
to_outside(struct edge *edge, struct invocation *inv)
{
	const uint32_t numbers[] = {inv->form, inv->order, inv->key.kind, inv->key.rights};
	struct domain *domain = inv->domain;
	struct edge_entry entry;
	struct bytes_in *in = &entry.in;
	const uint8_t *then;
	uint8_t hash[32], end, state, wait, moved;
	uint64_t charged, need;
	struct key key;

	if (!edge_expect(edge, EDGE_OUT, "it gives an order to the outside that it did not give then", &entry))
		return gate_rc(inv, GATE_GONE);
	edge_hash_message(edge, numbers, 4, &inv->in, hash);
	if (!edge_get_key(edge, in, &key) || key.kind != inv->key.kind || key.object != inv->key.object) {
		edge_diverge(edge, "it gives an order to something else outside");
		return gate_rc(inv, GATE_GONE);
	}
	then = bytes_take(in, 32);
	end = bytes_u8(in);
	state = bytes_u8(in);
	wait = bytes_u8(in);
	moved = bytes_u8(in);
	charged = bytes_u64(in);
	need = bytes_u64(in);
	domain->progress = bytes_u64(in);
	if (!then || memcmp(then, hash, sizeof hash) || !edge_get_touched(edge, inv, in)) {
		edge_diverge(edge, "it says something else to the outside");
		return gate_rc(inv, GATE_GONE);
	}
	inv->rc = bytes_u32(in);
	if (!edge_get_message(edge, in, &inv->out) ||
		(end != ORDER_DONE && end != ORDER_DRY_GAS && end != ORDER_FULL && end != ORDER_STALLED &&
			end != ORDER_AGAIN)) {
		edge_diverge(edge, "it says something else to the outside");
		inv->out = (struct message){0};
		return gate_rc(inv, GATE_GONE);
	}
	edge->in = *in;
	domain->counted = moved >> 7;
	if (end == ORDER_DRY_GAS || end == ORDER_FULL)
		domain->stop.need = need;
	else if (!call_charge(inv->call, charged)) {
		edge_diverge(edge, "it has not the gas that an order cost");
		return gate_rc(inv, GATE_GONE);
	}
	for (unsigned i = 0; i < MESSAGE_KEYS; i++)
		if (moved & 1u << i && inv->in.keys[i].kind == KEY_RESUME)
			domain->slots[inv->send_slots[i]] = (struct key){0};
	return come_to(edge, inv, (enum order_end)end, state, wait);
}

enum order_end
edge_perform_again(struct edge *edge, struct invocation *inv,
	enum order_end (*serve)(struct invocation *))
{
	if (edge->frozen || !edge_is_in(edge, inv->domain) || edge_side(edge, &inv->key) != SIDE_OUT)
		return serve(inv);
	return to_outside(edge, inv);
}

bool
edge_answer_again(struct edge *edge, struct domain *caller, uint32_t rc,
	const struct message *message)
{
	uint8_t hash[32];

	if (edge_is_in(edge, caller))
		return false;
	edge_hash_message(edge, &rc, 1, message, hash);
	if (!edge->frozen)
		(void)edge_expect_hash(edge, EDGE_LEFT, hash, "it answers the outside, which it did not then",
			"it answers the outside otherwise");
	edge_answered(caller);
	return true;
}

bool
edge_refuses_again(struct edge *edge, struct domain *domain, const struct device_request *request)
{
	uint8_t hash[32];

	if (edge->frozen || !edge_is_in(edge, domain))
		return false;
	edge_hash_request(request, hash);
	if (!edge_expect_hash(edge, EDGE_REQUEST, hash, "it asks the device for what it did not then",
		    "it asks the device for something else"))
		return false;
	return bytes_u8(&edge->in);
}

/* EDGE1 */
bool
edge_ready_again(struct edge *edge, struct domain *domain)
{
	if (edge_is_in(edge, domain))
		return false;
	queue_drop(domain);
	domain->state = DOMAIN_STOPPED;
	return true;
}

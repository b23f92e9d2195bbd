/* SPDX-License-Identifier: Apache-2.0 */
/* gate_letter.c - messages as guests write them: read and checked before anything
 * waits, so that an answer can be put down without asking. */
#include "kernel/gate.h"

#include <errno.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/gate_inside.h"
#include "kernel/world_state.h"

/* --- messages in guest memory ----------------------------------------------------------- */

enum { AT_BADGE = 32, AT_TEXT = 40, AT_GOT = 56 };

bool
letter_read(struct call *call, uint32_t at, struct letter *ret)
{
	const uint8_t *bytes = call_mem(call, at, MESSAGE_BYTES);
	struct bytes_in in;

	if (!bytes)
		return false;
	in = bytes_in(bytes, MESSAGE_BYTES);
	*ret = (struct letter){0};
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		ret->message.words[i] = bytes_u64(&in);
	(void)bytes_u64(&in);
	ret->text = bytes_u32(&in);
	ret->message.text_bytes = bytes_u32(&in);
	ret->room_at = bytes_u32(&in);
	ret->room = bytes_u32(&in);
	(void)bytes_u32(&in);
	ret->rc = bytes_u32(&in);
	for (unsigned i = 0; i < MESSAGE_KEYS; i++)
		ret->keys[i] = (int32_t)bytes_u32(&in);
	for (unsigned i = 0; i < MESSAGE_KEYS; i++)
		ret->slots[i] = (int32_t)bytes_u32(&in);
	ret->message.text = call_mem(call, ret->text, ret->message.text_bytes);
	return ret->message.text && ret->message.text_bytes <= MESSAGE_TEXT_MAX;
}

/* Whatever comes later can be put down without asking: slots exist, and the
 * buffer lies in memory, which never shrinks. */
enum gate_rc
letter_ready(struct call *call, const struct letter *letter)
{
	uint32_t slots = 0;

	if (!call_mem(call, letter->room_at, letter->room))
		return GATE_BAD_WORD;
	for (unsigned i = 0; i < MESSAGE_KEYS; i++) {
		if (letter->slots[i] < -1 || letter->slots[i] >= SLOTS_MAX)
			return GATE_BAD_WORD;
		slots = letter->slots[i] >= (int32_t)slots ? (uint32_t)letter->slots[i] + 1 : slots;
	}
	return domain_slots_room(call->domain, slots) ? GATE_NO_SPACE : GATE_OK;
}

static void
put_u32(uint8_t *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static void
put_u64(uint8_t *to, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

int32_t
letter_i32(const uint8_t *from)
{
	return (int32_t)((uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
		(uint32_t)from[3] << 24);
}

/* A sleeper is written to where it lies; only without a page is it woken for it.
 * What is not memory gets nothing. */
static void
put_down(struct domain *domain, uint32_t at, const void *from, uint64_t bytes)
{
	const uint32_t instance = domain->pending.instance;

	const int error = store_mem_write(domain->store, instance, at, from, bytes);

	if (error && error != -EFAULT)
		must(GATE4, !store_warm(domain->store) &&
				    !store_mem_write(domain->store, instance, at, from, bytes));
}

static void
put_key(struct domain *domain, int32_t slot, const struct key *key)
{
	if (slot >= 0 && (uint32_t)slot < domain->slots_count)
		slot_put(domain, (uint32_t)slot, key);
	else if (key->kind == KEY_RESUME)
		gate_lost(domain->world, key);
}

/* Into the domain that stands in its call with its letter at `at`. A resume key
 * that finds no slot is lost, so its caller wakes. While it stood there somebody may
 * have written into the letter (the domain's maker can; an image may say anything):
 * so the room and the slots are looked at once more, and what is none gets nothing. */
void
letter_deliver(struct domain *domain, uint32_t at, const struct message *message)
{
	uint8_t letter[MESSAGE_BYTES];
	uint32_t room, room_at;

	if (!store_mem_read(domain->store, domain->pending.instance, at, letter, sizeof letter)) {
		for (unsigned i = 0; i < MESSAGE_KEYS; i++)
			put_key(domain, -1, &message->keys[i]);
		return;
	}
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		put_u64(letter + 8 * i, message->words[i]);
	put_u64(letter + AT_BADGE, message->badge);
	room_at = (uint32_t)letter_i32(letter + 48);
	room = (uint32_t)min_u64((uint32_t)letter_i32(letter + 52), message->text_bytes);
	put_u32(letter + AT_GOT, message->text_bytes);
	put_down(domain, at, letter, sizeof letter);
	for (unsigned i = 0; i < MESSAGE_KEYS; i++)
		put_key(domain, letter_i32(letter + 80 + 4 * i), &message->keys[i]);
	if (room)
		put_down(domain, room_at, message->text, room);
}

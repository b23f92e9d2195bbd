/* SPDX-License-Identifier: Apache-2.0 */
/* house.h - what guests that have domains of their own begin with: freestanding C.
 *
 * A guest here makes its children from one module, most often its own. Whoever
 * starts the first one puts the module's bytes into `kid` (exported, as kid_bytes
 * is); below it the module key is handed down. A parent tells a child what it is
 * to be by writing `task` into the child's memory before it first runs: parent
 * and child are the same program, so the address is the same.
 *
 * Slots of every domain here: those of enum kh_kit, then enum house_slot. */
#pragma once

#include "caps/guest.h"

enum house_slot { AT_MODULE = KH_KIT_SLOTS, AT_SCRATCH, AT_CHILD, AT_GIFT, AT_FREE };

#define HOUSE_EXPORT(name) __attribute__((export_name(#name), used))
#define HOUSE_KID_MAX (48 << 10)

struct house_task {
	kh_u64 role, depth, count, word;
};

static struct house_task task;
static unsigned char kid[HOUSE_KID_MAX];
static kh_u32 kid_bytes;

/* Where the starter puts things. */
HOUSE_EXPORT(kid_at) void *house_kid(void) { return kid; }
HOUSE_EXPORT(kid_bytes_at) void *house_kid_bytes(void) { return &kid_bytes; }
HOUSE_EXPORT(task_at) void *house_task_at(void) { return &task; }

/* What should not happen: yields what it was, with all bits turned, then traps. */
static _Noreturn void
house_fail(kh_u64 what)
{
	kh_yield(~what);
	__builtin_trap();
}

static inline void
must_be(kh_u32 rc, kh_u32 want, kh_u32 line)
{
	if (rc != want)
		house_fail((kh_u64)line << 32 | rc << 16);
}
#define OK(rc) must_be(rc, KH_OK, __LINE__)

static inline kh_u32
order(kh_i32 slot, kh_u32 what, kh_u64 w0, kh_u64 w1)
{
	struct kh_message m = kh_message();

	m.word[0] = w0;
	m.word[1] = w1;
	return kh_call(slot, what, &m);
}

/* A key that an order answers with, in `to`. */
static inline kh_u32
order_key(kh_i32 slot, kh_u32 what, kh_u64 w0, kh_i32 to)
{
	struct kh_message m = kh_message();

	m.word[0] = w0;
	m.receive[0] = to;
	return kh_call(slot, what, &m);
}

/* The module of our children, from the bytes in `kid`, once. */
static inline void
house_load(void)
{
	struct kh_message m = kh_message();

	if (!kid_bytes)
		return;
	m.word[0] = (kh_u32)kid;
	m.word[1] = kid_bytes;
	m.receive[0] = AT_MODULE;
	OK(kh_call(KH_CREATOR, KH_CREATOR_LOAD, &m));
	kid_bytes = 0;
}

/* The child in slot `child` gets what lies in our slot, in its slot `to`. */
static inline kh_u32
house_give(kh_i32 child, kh_i32 to, kh_i32 ours)
{
	struct kh_message m = kh_message();

	m.word[0] = (kh_u32)to;
	m.send[0] = ours;
	return kh_call(child, KH_DOMAIN_KEY_PUT, &m);
}

/* A domain below this meter and bank (KH_NONE: our own). */
static inline kh_u32
house_make(kh_i32 child, kh_u64 bank_bytes, kh_i32 meter, kh_i32 bank)
{
	struct kh_message m = kh_message();

	m.word[0] = bank_bytes;
	m.send[0] = AT_MODULE;
	m.send[1] = meter;
	m.send[2] = bank;
	m.receive[0] = child;
	return kh_call(KH_CREATOR, KH_CREATOR_MAKE, &m);
}

static inline void
house_tell(kh_i32 child, const struct house_task *what)
{
	struct kh_message m = kh_message();

	m.word[0] = (kh_u32)&task;
	m.text = what;
	m.text_bytes = sizeof *what;
	OK(kh_call(child, KH_DOMAIN_POKE, &m));
}

/* All that it needs to have children in its turn. */
static inline void
house_kit(kh_i32 child)
{
	OK(house_give(child, KH_CREATOR, KH_CREATOR));
	OK(house_give(child, AT_MODULE, AT_MODULE));
	OK(order_key(child, KH_DOMAIN_METER, 0, AT_SCRATCH));
	OK(house_give(child, KH_METER, AT_SCRATCH));
	OK(order_key(child, KH_DOMAIN_BANK, 0, AT_SCRATCH));
	OK(house_give(child, KH_BANK, AT_SCRATCH));
	OK(house_give(child, KH_SELF, child));
}

/* Runs it until it stops: the answer is in `ret`. */
static inline kh_u64
house_run(kh_i32 child, kh_u64 gas, kh_u64 word, kh_u64 flags, struct kh_message *ret)
{
	*ret = kh_message();
	ret->word[0] = gas;
	ret->word[1] = word;
	ret->word[2] = flags;
	OK(kh_call(child, KH_DOMAIN_RUN, ret));
	return ret->word[0];
}

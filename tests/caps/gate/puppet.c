/* SPDX-License-Identifier: Apache-2.0 */
/* puppet.c - a guest that does what the test says: it yields the address of its
 * command, the test writes one there, and the next run carries it out through
 * the real gate. Freestanding; compiled for wasm32 by the build. */
#include "caps/guest.h"

#include "tests/caps/gate/command.h"

__attribute__((import_module("elsewhere"), import_name("outside"))) kh_u32
outside(const void *at, kh_u32 bytes);

static struct {
	struct command command;
	unsigned char text[COMMAND_TEXT], room[COMMAND_TEXT];
} stage;

static volatile kh_u64 spun;

static kh_u64
deep(kh_u64 left)
{
	volatile kh_u64 here = left;

	return left ? deep(left - 1) + here : here;
}

__attribute__((export_name("add"))) kh_u64
add(kh_u64 a, kh_u64 b)
{
	return a + b;
}

__attribute__((export_name("stuck"))) void
stuck(void)
{
	__builtin_trap();
}

static void
obey(struct command *c)
{
	struct kh_message *m = (struct kh_message *)(void *)c->message;

	switch (c->form) {
	case COMMAND_CALL:
		c->rc = kh_call(c->slot, c->order, m);
		break;
	case COMMAND_SEND:
		c->rc = kh_send(c->slot, c->order, m);
		break;
	case COMMAND_REPLY:
		c->rc = kh_reply_wait(c->slot, m);
		break;
	case COMMAND_SPIN:
		for (kh_u64 i = 0; i < c->order; i++)
			spun += i;
		break;
	case COMMAND_GROW:
		c->rc = (kh_u32)__builtin_wasm_memory_grow(0, c->order);
		break;
	case COMMAND_IMPORT:
		c->rc = outside(stage.text, c->order);
		break;
	case COMMAND_TRAP:
		__builtin_trap();
	case COMMAND_DEEP:
		c->rc = (kh_u32)deep(c->order);
		break;
	case COMMAND_CALL_AT: /* a message anywhere: at the edge of memory, beyond it */
		c->rc = kh_call(c->slot, c->order, (struct kh_message *)(unsigned long)c->at);
		break;
	default:
		break;
	}
}

__attribute__((export_name("_start"))) void
start(void)
{
	for (;;) {
		(void)kh_yield((kh_u64)(unsigned long)&stage);
		if (stage.command.form == COMMAND_RETURN)
			return;
		obey(&stage.command);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Does what each word it is handed says: word % 8 what, word / 8 how much. One
 * whose task.role is 1 is a server instead, which does the same when called. */
#include "tests/guests/house.h"

enum { SPIN, GROW, TRAP, CALL, WRITE, AT_SERVER = 4, ROOM = 4096 };

static volatile unsigned char room[ROOM];

static kh_u64
obey(kh_u64 word)
{
	struct kh_message m = kh_message();
	const kh_u64 much = word / 8;

	switch (word % 8) {
	case GROW:
		return __builtin_wasm_memory_grow(0, much % 4);
	case TRAP:
		__builtin_trap();
	case CALL:
		m.word[0] = much;
		m.text = (const void *)room;
		m.text_bytes = much % 256;
		return kh_call(AT_SERVER, 1, &m) << 8 | (m.word[0] & 255);
	case WRITE:
		for (kh_u64 i = 0; i < much % 64; i++)
			room[i * 64 % ROOM]++;
		return much;
	default:
		for (volatile kh_u64 i = 0; i < much % 256; i++)
			;
		return much;
	}
}

static void
serve(void)
{
	struct kh_message m = kh_message();
	kh_i32 answer = KH_NONE;

	m.receive[3] = 5;
	for (;; answer = 5) {
		(void)kh_reply_wait(answer, &m);
		m.word[0] = obey(m.word[0] & ~7ull);
		m.rc = KH_OK;
	}
}

HOUSE_EXPORT(_start) void
begin(void)
{
	kh_u64 word = 0;

	if (task.role)
		serve();
	for (;;)
		word = kh_yield(obey(word));
}

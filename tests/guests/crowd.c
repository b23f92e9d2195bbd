/* SPDX-License-Identifier: Apache-2.0 */
/* A crowd: the first makes task.count managers, each of which makes task.word
 * kids; task.depth: every so many-th of them is a Lua, whose module comes to
 * lua_at() (0: none). A kid writes 16 KiB and yields three calls deep; a Lua is
 * stopped by its gas, as deep. Words that the first is handed then:
 *
 *   1 << 56 | kid       wakes that kid: yields what it answers
 *   2 << 56 | copy      forks the first manager, with its kids, as that copy
 *   3 << 56 | kid << 16 | copy   wakes that kid of that copy
 *
 * Kid k answers k + w, modulo 256, to its w-th word; a Lua returns with 42. */
#include "tests/guests/house.h"

enum { FIRST, MANAGER, KID, WRITTEN = 16 << 10, LUA_LEFT = 20000 };
enum { AT_LUA = AT_FREE, AT_KIDS = 16, AT_COPIES = 1024 };

static unsigned char data[WRITTEN];
static void *lua;
static kh_u32 lua_bytes;
static kh_u64 lua_gas;

static const char lua_args[] = "lua\0-e\0"
	"local t={} for i=1,500 do t[i]=i..'' end\n"
	"local function f(n) if n>0 then return f(n-1)+0 end\n"
	" local x=0 for i=1,3000 do x=x+1 end return x end\n"
	"os.exit(f(3)-2958)";

HOUSE_EXPORT(lua_at) void *
lua_room(void)
{
	lua = (void *)(__builtin_wasm_memory_grow(0, 16) << 16);
	return lua;
}
HOUSE_EXPORT(lua_bytes_at) void *lua_count(void) { return &lua_bytes; }

/* --- kids ---------------------------------------------------------------------------- */

__attribute__((noinline)) static kh_u64
deep(kh_u32 levels, kh_u64 answer)
{
	kh_u64 word;

	if (levels)
		return deep(levels - 1, answer) | 1ull << 63;
	for (word = kh_yield(answer); word != ~0ull; word = kh_yield(data[word % WRITTEN]))
		;
	return word;
}

static void
be_kid(void)
{
	for (kh_u32 i = 0; i < WRITTEN; i++)
		data[i] = (unsigned char)(task.count + i);
	kh_yield(deep(3, 0));
}

/* --- managers ---------------------------------------------------------------------------- */

static int
is_lua(kh_u64 kid_number)
{
	return task.depth && kid_number % task.depth == 0;
}

static void
make_lua(kh_i32 at)
{
	struct kh_message m = kh_message();

	m.word[0] = ~0ull;
	m.send[0] = AT_LUA;
	m.receive[0] = at;
	OK(kh_call(KH_CREATOR, KH_CREATOR_MAKE, &m));
	m = kh_message();
	m.text = lua_args;
	m.text_bytes = sizeof lua_args;
	OK(kh_call(at, KH_DOMAIN_SET_ARGS, &m));
}

/* How much gas it takes to the end; then so much less. */
static void
start_lua(kh_i32 at)
{
	struct kh_message m;

	if (!lua_gas) {
		make_lua(at);
		if (house_run(at, 1ull << 40, 0, 0, &m) != KH_STOP_RETURNED || m.word[1] != 42)
			house_fail(m.word[0] << 8 | m.word[1]);
		m = kh_message();
		OK(kh_call(at, KH_DOMAIN_STATUS, &m));
		lua_gas = m.word[2] - LUA_LEFT;
		OK(order(at, KH_DOMAIN_END, 0, 0));
	}
	make_lua(at);
	if (house_run(at, lua_gas, 0, 0, &m) != KH_STOP_OUT_OF_GAS)
		house_fail(m.word[0] << 8 | m.word[1]);
}

static void
start_kid(kh_i32 at, kh_u64 number)
{
	const struct house_task is = {.role = KID, .count = number};
	struct kh_message m;

	OK(house_make(at, ~0ull, KH_NONE, KH_NONE));
	house_tell(at, &is);
	if (house_run(at, 1ull << 40, 0, 0, &m) != KH_STOP_YIELDED)
		house_fail(m.word[0] << 8 | m.word[1]);
}

static kh_u64
wake(kh_i32 at, kh_u64 word)
{
	struct kh_message m;

	(void)house_run(at, 1ull << 40, word, 0, &m);
	return m.word[1];
}

static void
manage(void)
{
	kh_u64 answer = 0;

	for (kh_u64 i = 0; i < task.word; i++)
		if (is_lua(i))
			start_lua(AT_KIDS + (kh_i32)i);
		else
			start_kid(AT_KIDS + (kh_i32)i, i);
	for (;;) {
		const kh_u64 word = kh_yield(answer);

		answer = wake(AT_KIDS + (kh_i32)(word & 0xffff), word >> 16);
	}
}

/* --- the first ------------------------------------------------------------------------------ */

static void
load_lua(void)
{
	struct kh_message m = kh_message();

	m.word[0] = (kh_u32)lua;
	m.word[1] = lua_bytes;
	m.receive[0] = AT_LUA;
	OK(kh_call(KH_CREATOR, KH_CREATOR_LOAD, &m));
}

static void
start_manager(kh_i32 at)
{
	struct house_task is = task;
	struct kh_message m;

	is.role = MANAGER;
	OK(house_make(at, ~0ull, KH_NONE, KH_NONE));
	house_tell(at, &is);
	house_kit(at);
	if (task.depth)
		OK(house_give(at, AT_LUA, AT_LUA));
	if (house_run(at, 1ull << 50, 0, 0, &m) != KH_STOP_YIELDED || m.word[1])
		house_fail(m.word[0] << 56 | ~m.word[1]);
}

static kh_u64
obey(kh_u64 word)
{
	const kh_u64 kid_number = word & 0xffffffff, times = word >> 32 & 0xffff;

	switch (word >> 56) {
	case 1:
		return wake(AT_KIDS + (kh_i32)(kid_number / task.word), kid_number % task.word | times << 16);
	case 2:
		OK(order_key(AT_KIDS, KH_DOMAIN_FORK, 0, AT_COPIES + (kh_i32)(word & 0xffff)));
		return 0;
	default:
		return wake(AT_COPIES + (kh_i32)(word & 0xffff), (word >> 16 & 0xffff) | times << 16);
	}
}

HOUSE_EXPORT(_start) void
begin(void)
{
	kh_u64 answer = 0;

	if (task.role == KID)
		be_kid();
	if (task.role == MANAGER)
		manage();
	house_load();
	if (task.depth)
		load_lua();
	for (kh_u64 i = 0; i < task.count; i++)
		start_manager(AT_KIDS + (kh_i32)i);
	for (;;)
		answer = obey(kh_yield(answer));
}

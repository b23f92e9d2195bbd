/* SPDX-License-Identifier: Apache-2.0 */
/* guest.h - Keyhold as a guest in C sees it, beside WASI. Freestanding: it needs
 * no C library and includes nothing. For clang's wasm32 targets.
 *
 *     #include "caps/guest.h"
 *
 * Keys. A domain holds keys in numbered slots, and whatever it does to anything
 * outside itself it does by invoking one with an order and a message. The
 * orders of each kind are in docs/guest.md. A program that imports kh_call,
 * kh_send or kh_reply_wait begins with what it needs to have domains of its own
 * (enum kh_kit); its descriptors are in slots of their own behind those.
 *
 *     struct kh_message m = kh_message();
 *     m.word[0] = 1000;                          // gas
 *     if (kh_call(child, KH_DOMAIN_RUN, &m) == KH_OK && m.word[0] == KH_STOP_YIELDED)
 *         ... m.word[1] is what it yielded
 *
 * A server is in kh_reply_wait() whenever it has nothing to do. It finds the
 * order, the words, the text and the caller's badge in the message, and the key
 * that answers this one caller in the slot of receive[3]:
 *
 *     struct kh_message m = kh_message();
 *     kh_i32 answer = KH_NONE;                   // nobody to answer yet
 *     m.receive[3] = 10;
 *     for (;; answer = 10) {
 *         kh_u32 order = kh_reply_wait(answer, &m);
 *         ... m.rc and the words, text and keys are what the caller gets
 *     }
 *
 * Throwing.
 *
 *     static void risky(uint32_t a, uint32_t b) { ... kh_throw(); ... }
 *
 *     if (kh_try(risky, 1, 2))
 *         ... risky, or something it called, threw
 *
 * kh_try() calls fn(a, b) and answers 0 when it returned, 1 when kh_throw() was
 * called below it: all frames in between are gone, the nearest kh_try() of the
 * domain goes on. A throw without a try is a trap. A throw is charged for each
 * frame it takes away. Frames, tries too, are the domain's data: a program can
 * be stopped inside a try and go on elsewhere.
 *
 * This is what setjmp and longjmp are used for; a value that is thrown is put in
 * a variable before. Kept in mind as with them: locals of the function that
 * calls kh_try() which `fn` changes must be volatile or in memory.
 *
 * The kernel touches no global of the guest: the C stack pointer, which the
 * frames that are gone had lowered, is put back here.
 *
 * kh_yield() stops the domain: who runs it sees KH_STOP_YIELDED and the word; it
 * goes on with the word that the next run hands it (0 from the command line).
 *
 * These are the imports call, send, reply_wait, yield, try and throw of module
 * `keyhold`. */
#pragma once

typedef __UINT32_TYPE__ kh_u32;
typedef __UINT64_TYPE__ kh_u64;
typedef __INT32_TYPE__ kh_i32;
typedef void (*kh_function)(kh_u32 a, kh_u32 b);

#define KH_IMPORT(name) __attribute__((import_module("keyhold"), import_name(name)))

/* --- messages ------------------------------------------------------------------- */

enum { KH_NONE = -1, KH_SLOTS = -1, KH_TEXT_MAX = 64 << 10, KH_SLOTS_MAX = 32768 };

struct kh_message {
	kh_u64 word[4];
	kh_u64 badge;      /* told: of the start key that was called */
	const void *text;  /* sent */
	kh_u32 text_bytes; /* at most KH_TEXT_MAX */
	void *room_at;     /* where a text that comes is put ... */
	kh_u32 room;       /* ... so many bytes of it at most */
	kh_u32 got;        /* told: how long it was */
	kh_u32 rc;         /* what kh_reply_wait() answers with */
	kh_i32 send[4];    /* slots whose keys are sent; KH_NONE: none. 3 is taken in a call */
	kh_i32 receive[4]; /* slots that keys which come are put in; KH_NONE: thrown away */
};

_Static_assert(sizeof(struct kh_message) == 96, "as the kernel reads it");

static inline struct kh_message
kh_message(void)
{
	return (struct kh_message){.send = {KH_NONE, KH_NONE, KH_NONE, KH_NONE},
		.receive = {KH_NONE, KH_NONE, KH_NONE, KH_NONE}};
}

/* Invokes the key in the slot and waits for the answer: what the key answers, in
 * the message too. KH_SLOTS as slot: the domain's own slots. */
KH_IMPORT("call") kh_u32 kh_call(kh_i32 slot, kh_u32 order, struct kh_message *message);
/* The same without an answer: goes on once the message is taken. */
KH_IMPORT("send") kh_u32 kh_send(kh_i32 slot, kh_u32 order, struct kh_message *message);
/* Answers with the key in the slot (KH_NONE: nobody), then waits to be called:
 * the order. A bad message is a trap. */
KH_IMPORT("reply_wait") kh_u32 kh_reply_wait(kh_i32 slot, struct kh_message *message);

KH_IMPORT("try") kh_u32 kh_import_try(kh_function fn, kh_u32 a, kh_u32 b);
KH_IMPORT("throw") _Noreturn void kh_throw(void);
KH_IMPORT("yield") kh_u64 kh_yield(kh_u64 word);

__asm__(".globaltype __stack_pointer, i32\n");

static inline kh_u32
kh_try(kh_function fn, kh_u32 a, kh_u32 b)
{
	kh_u32 stack_pointer, thrown;

	__asm__ volatile("global.get __stack_pointer\n\tlocal.set %0" : "=r"(stack_pointer));
	thrown = kh_import_try(fn, a, b);
	__asm__ volatile("local.get %0\n\tglobal.set __stack_pointer" : : "r"(stack_pointer) : "memory");
	return thrown;
}

/* --- numbers: as caps/orders.def, rc.def, rights.def, kernel/world.h have them ------ */

enum kh_rc {
	KH_OK = 0,
	KH_RC_VOID = 1,
	KH_WRONG_KIND = 2,
	KH_NO_RIGHT = 3,
	KH_REVOKED = 4,
	KH_BAD_WORD = 5,
	KH_NO_SPACE = 6,
	KH_BUSY = 7,
	KH_GONE = 8,
	KH_SLOT_FULL = 9,
	KH_OPAQUE = 10,
	KH_FORKED = 11,
	KH_OUTSIDE = 12,
};

enum kh_right {
	KH_RIGHT_READ = 1 << 0,
	KH_RIGHT_WRITE = 1 << 1,
	KH_RIGHT_APPEND = 1 << 2,
	KH_RIGHT_TIMES = 1 << 3,
	KH_RIGHT_SLEEP = 1 << 4,
	KH_RIGHT_MAKE = 1 << 5,
	KH_RIGHT_END = 1 << 6,
};

enum kh_order {
	KH_NUMBER_GET = 1,
	KH_NODE_GET = 1,
	KH_NODE_PUT = 2,
	KH_NODE_SWAP = 3,
	KH_NODE_END = 4,
	KH_SEGMENT_READ = 1,
	KH_SEGMENT_WRITE = 2,
	KH_SEGMENT_SIZE = 3,
	KH_SEGMENT_TAKE = 4,
	KH_SEGMENT_GIVE = 5,
	KH_SEGMENT_END = 6,
	KH_VIEW_READ = 1,
	KH_VIEW_WRITE = 2,
	KH_VIEW_SIZE = 3,
	KH_MODULE_HASH = 1,
	KH_MODULE_FIND = 2,
	KH_MODULE_END = 3,
	KH_DOMAIN_RUN = 1,
	KH_DOMAIN_INVOKE = 2,
	KH_DOMAIN_REFUEL = 3,
	KH_DOMAIN_STATUS = 4,
	KH_DOMAIN_PEEK = 5,
	KH_DOMAIN_POKE = 6,
	KH_DOMAIN_KEY_GET = 7,
	KH_DOMAIN_KEY_PUT = 8,
	KH_DOMAIN_SET_KEEPER = 9,
	KH_DOMAIN_SET_ARGS = 10,
	KH_DOMAIN_RESULT = 11,
	KH_DOMAIN_END = 14,
	KH_DOMAIN_START = 15,
	KH_DOMAIN_ENTRY = 16,
	KH_DOMAIN_METER = 17,
	KH_DOMAIN_BANK = 18,
	KH_DOMAIN_PAY_WITH = 19,
	KH_DOMAIN_CLOSE = 20,
	KH_METER_MAKE = 1,
	KH_METER_FEED = 2,
	KH_METER_LIMIT = 3,
	KH_METER_RESERVE = 4,
	KH_METER_RENT = 5,
	KH_METER_STATUS = 6,
	KH_METER_SET_KEEPER = 7,
	KH_METER_END = 8,
	KH_PURSE_SPLIT = 1,
	KH_PURSE_GIVE = 2,
	KH_PURSE_BALANCE = 3,
	KH_PURSE_END = 4,
	KH_BANK_MAKE = 1,
	KH_BANK_NODE = 2,
	KH_BANK_SEGMENT = 3,
	KH_BANK_NUMBER = 4,
	KH_BANK_LIMIT = 5,
	KH_BANK_STATUS = 6,
	KH_BANK_END = 7,
	KH_BANK_FORWARDER = 8,
	KH_BANK_SEAL = 9,
	KH_BANK_FACTORY = 10,
	KH_CREATOR_LOAD = 1,
	KH_CREATOR_MAKE = 2,
	KH_FACTORY_PUT = 1,
	KH_FACTORY_SEAL = 2,
	KH_FACTORY_MAKE = 3,
	KH_FACTORY_HOLES = 4,
	KH_FACTORY_END = 5,
	KH_FORWARDER_SET = (int)0xfffe0001,
	KH_FORWARDER_END = (int)0xfffe0002,
	KH_SEALER_SEAL = 1,
	KH_UNSEALER_OPEN = 1,
	KH_BOX_END = 1,
	KH_GRANT_CUT = 1,
	KH_GRANT_STATUS = 2,
	KH_GRANT_END = 3,
	KH_SLOTS_COPY = 1,
	KH_SLOTS_MOVE = 2,
	KH_SLOTS_DROP = 3,
	KH_SLOTS_LOOK = 4,
	KH_SLOTS_SAME = 5,
	KH_SLOTS_DERIVE = 6,
	KH_SLOTS_SENSE = 7,
	KH_DOMAIN_FREEZE = 12,
	KH_DOMAIN_FORK = 13,
	KH_CREATOR_THAW = 3,
	KH_CREATOR_READ = 4,
	KH_IMAGE_SIZE = 1,
	KH_IMAGE_READ = 2,
	KH_IMAGE_END = 3,
	KH_SLOTS_FIND = 8,
	KH_LOG_WRITE = 1,
	KH_DIRECTORY_OPEN = 1,
	KH_DIRECTORY_LIST = 2,
	KH_DIRECTORY_STAT = 3,
	KH_DIRECTORY_UNLINK = 4,
	KH_DIRECTORY_MKDIR = 5,
	KH_DIRECTORY_END = 6,
	KH_FILE_READ = 1,
	KH_FILE_WRITE = 2,
	KH_FILE_SIZE = 3,
	KH_FILE_RESIZE = 4,
	KH_FILE_END = 5,
	KH_STREAM_READ = 1,
	KH_STREAM_WRITE = 2,
	KH_CLOCK_NOW = 1,
	KH_CLOCK_SLEEP = 2,
	KH_ENTROPY_DRAW = 1,
	KH_SOCKET_CONNECT = 1,
	KH_SOCKET_NARROW = 2,
	KH_SOCKET_RESOLVE = 3,
	KH_SOCKET_READ = 4,
	KH_SOCKET_WRITE = 5,
	KH_SOCKET_SHUTDOWN = 6,
	KH_SOCKET_ADDRESS = 7,
	KH_SOCKET_POLL = 8,
	KH_SOCKET_END = 9,
	KH_LISTENER_ACCEPT = 1,
	KH_LISTENER_ADDRESS = 2,
	KH_LISTENER_POLL = 3,
	KH_RESOLVER_RESOLVE = 1,

	/* What keepers and servers are sent by the kernel. */
	KH_ORDER_IMPORT = (int)0xffff0001,
	KH_ORDER_DRY = (int)0xffff0002,
	KH_ORDER_STORAGE = (int)0xffff0003,
	KH_ORDER_FAULT = (int)0xffff0004,
};

enum kh_stop { /* word 0 of what a run answers */
	KH_STOP_NONE, KH_STOP_RETURNED, KH_STOP_YIELDED, KH_STOP_OUT_OF_GAS, KH_STOP_OUT_OF_STORAGE,
	KH_STOP_TRAP, KH_STOP_CALLED, KH_STOP_WAITING, KH_STOP_REVOKED, KH_STOP_ENDED,
};

enum kh_kit { /* slots that a program begins with */
	KH_CREATOR, KH_METER, KH_BANK, KH_SELF, KH_LOG, KH_KIT_SLOTS,
};

enum { KH_RUN_POLL = 1, KH_RUN_DETACH = 2 };       /* KH_DOMAIN_RUN, word 2 */
enum { KH_STOP_WHEN_DRY = 1 };                     /* KH_CREATOR_MAKE, word 1 */
enum kh_open { /* KH_DIRECTORY_OPEN, word 0 */
	KH_OPEN_READ = 1, KH_OPEN_WRITE = 2, KH_OPEN_CREATE = 4, KH_OPEN_EXCLUSIVE = 8,
	KH_OPEN_TRUNCATE = 16, KH_OPEN_DIRECTORY = 32, KH_OPEN_APPEND = 64, KH_OPEN_FOLLOW = 128,
};
enum { KH_REVOCABLE = 1, KH_BADGED = 2 };          /* KH_SLOTS_DERIVE, word 2 */

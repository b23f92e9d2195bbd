/* SPDX-License-Identifier: Apache-2.0 */
/* nets.c - every order on keys to networks: once right, and refused. */
#include <criterion/criterion.h>
#include <string.h>

#include "caps/wasi.h"
#include "tests/caps/gate/theatre.h"
#include "tests/support/fake_net.h"

static struct theatre t;
static struct domain *a;

enum { K1 = 20, K2, K3, K4, ALL = RIGHT_read | RIGHT_write | RIGHT_make };

static void
give_root(int slot, const char *name, enum kind_id kind, uint32_t handle)
{
	const struct caps_root config = {.name = name, .kind = kind, .rights = ALL, .handle = handle};
	struct report report;
	struct key key;

	report_clear(&report);
	cr_assert_eq(caps_root_add(t.world, &config, &report, &key), 0);
	give_key(a, (uint32_t)slot, &key);
}

static void
open_a(void)
{
	theatre_open(&t);
	a = theatre_actor(&t, "a");
}

static void
heard_text(const char *text)
{
	cr_assert_eq(t.heard.got, strlen(text));
	cr_assert_arr_eq(t.heard.text, text, strlen(text));
}

Test(rule, connect_and_narrow)
{
	open_a();
	give_root(K1, "net", KIND_socket, fake_rule(&t.device, "192.0.2.1:80 192.0.2.2:80"));
	cr_assert_eq(ask(&t, a, K1, DO_socket_connect, TEXT("192.0.2.1:80"), .receive = {K2}), SAYS_OK);
	heard_text("192.0.2.1:80");
	cr_assert_eq(ask(&t, a, K1, DO_socket_connect, TEXT("192.0.2.3:80")), SAYS_OUTSIDE);
	cr_assert_eq(t.heard.word[0], DEVICE_ECAPABILITY);
	cr_assert_eq(ask(&t, a, K1, DO_socket_connect), SAYS_OUTSIDE, "it names two");
	cr_assert_eq(ask(&t, a, K1, DO_socket_connect, TEXT("192.0.2.1:80\0x")), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_socket_narrow, TEXT("192.0.2.2:80"), .receive = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K3, DO_socket_connect, .receive = {K4}), SAYS_OK, "it names one");
	heard_text("192.0.2.2:80");
	cr_assert_eq(ask(&t, a, K3, DO_socket_narrow, TEXT("192.0.2.1:80")), SAYS_OUTSIDE, "never more");
	cr_assert_eq(ask(&t, a, K1, DO_socket_narrow), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K3, DO_socket_end), SAYS_OK);
	cr_assert_eq(ask(&t, a, K3, DO_socket_connect), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K1, DO_socket_end), SAYS_NO_RIGHT, "it is the host's");
	/* A rule has no bytes, a connection no rule. */
	cr_assert_eq(ask(&t, a, K1, DO_socket_read, .word = {1}), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K1, DO_socket_write, TEXT("x")), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K1, DO_socket_shutdown, .word = {1}), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K1, DO_socket_address), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K1, DO_socket_poll, .word = {1}), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K2, DO_socket_connect, TEXT("192.0.2.1:80")), SAYS_NO_RIGHT);
	weaken(a, K1, RIGHT_make);
	cr_assert_eq(ask(&t, a, K1, DO_socket_connect, TEXT("192.0.2.1:80")), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, DO_socket_narrow, TEXT("192.0.2.1:80")), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, DO_socket_resolve, TEXT("x")), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	theatre_close(&t);
}

Test(rule, resolve)
{
	open_a();
	give_root(K1, "net", KIND_socket, fake_rule(&t.device, "api.example"));
	give_root(K2, "names", KIND_resolver, fake_resolver(&t.device, "api.example"));
	for (int slot = K1; slot <= K2; slot++) {
		const uint32_t order = slot == K1 ? DO_socket_resolve : DO_resolver_resolve;

		cr_assert_eq(ask(&t, a, slot, order, TEXT("api.example")), SAYS_OK);
		cr_assert_eq(t.heard.word[0], 2);
		heard_text("192.0.2.1\n2001:db8::1\n");
		cr_assert_eq(ask(&t, a, slot, order, TEXT("other.example")), SAYS_OUTSIDE);
		cr_assert_eq(t.heard.word[0], DEVICE_ECAPABILITY);
		cr_assert_eq(ask(&t, a, slot, order), SAYS_BAD_WORD);
	}
	weaken(a, K2, RIGHT_read);
	cr_assert_eq(ask(&t, a, K2, DO_resolver_resolve, TEXT("api.example")), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K2, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	theatre_close(&t);
}

Test(connection, read_write_shutdown_address_poll_end)
{
	uint64_t bytes;

	open_a();
	give_root(K1, "net", KIND_socket, fake_rule(&t.device, "192.0.2.1:80"));
	cr_assert_eq(ask(&t, a, K1, DO_socket_connect, .receive = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_socket_read, .word = {10, 1}), SAYS_OUTSIDE);
	cr_assert_eq(t.heard.word[0], DEVICE_EAGAIN);
	cr_assert_eq(ask(&t, a, K2, DO_socket_poll, .word = {1, 5}), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 0, "not in that time");
	cr_assert_eq(ask(&t, a, K2, DO_socket_poll, .word = {3, UINT64_MAX}), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 2);
	fake_stream_feed(&t.device, t.device.connected, "hello", 5);
	cr_assert_eq(ask(&t, a, K2, DO_socket_read, .word = {10}), SAYS_OK);
	heard_text("hello");
	t.device.short_max = 4;
	cr_assert_eq(ask(&t, a, K2, DO_socket_write, TEXT("output")), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 6, "however the outside cuts it");
	cr_assert_arr_eq(fake_written(&t.device, t.device.connected, &bytes), "output", 6);
	cr_assert_eq(ask(&t, a, K2, DO_socket_address), SAYS_OK);
	heard_text("192.0.2.200:4000");
	cr_assert_eq(ask(&t, a, K2, DO_socket_address, .word = {1}), SAYS_OK);
	heard_text("192.0.2.1:80");
	cr_assert_eq(ask(&t, a, K2, DO_socket_address, .word = {2}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K2, DO_socket_read, .word = {65537}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K2, DO_socket_read, .word = {1, 2}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K2, DO_socket_poll), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K2, DO_socket_poll, .word = {4}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K2, DO_socket_shutdown), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K2, DO_socket_shutdown, .word = {4}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K2, DO_socket_shutdown, .word = {2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_socket_write, TEXT("x")), SAYS_OUTSIDE);
	cr_assert_eq(t.heard.word[0], DEVICE_EPIPE);
	cr_assert_eq(ask(&t, a, K2, DO_socket_shutdown, .word = {1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_socket_read, .word = {1}), SAYS_OK);
	cr_assert_eq(t.heard.got, 0, "the end");
	a->slots[K3] = a->slots[K2];
	weaken(a, K3, RIGHT_write | RIGHT_end);
	cr_assert_eq(ask(&t, a, K3, DO_socket_write, TEXT("x")), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K3, DO_socket_poll, .word = {2}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K3, DO_socket_end), SAYS_NO_RIGHT);
	weaken(a, K3, RIGHT_read);
	cr_assert_eq(ask(&t, a, K3, DO_socket_read, .word = {1}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K2, DO_socket_end), SAYS_OK);
	cr_assert_eq(ask(&t, a, K3, DO_socket_address), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K3, DO_socket_shutdown, .word = {1}), SAYS_VOID);
	theatre_close(&t);
}

Test(listener, accept_address_poll)
{
	uint32_t listener;

	open_a();
	listener = fake_listener(&t.device, "127.0.0.1:8080");
	give_root(K1, "in", KIND_listener, listener);
	cr_assert_eq(ask(&t, a, K1, DO_listener_accept, .word = {1}), SAYS_OUTSIDE);
	cr_assert_eq(t.heard.word[0], DEVICE_EAGAIN);
	cr_assert_eq(ask(&t, a, K1, DO_listener_accept, .word = {2}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_listener_poll, .word = {7}), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 0);
	cr_assert_eq(ask(&t, a, K1, DO_listener_accept, .receive = {K2}), PENDING);
	fake_call(&t.device, listener);
	cr_assert_eq(listen(&t, a), SAYS_OK);
	heard_text("192.0.2.9:1000");
	fake_stream_feed(&t.device, t.device.connected, "hi", 2);
	cr_assert_eq(ask(&t, a, K2, DO_socket_read, .word = {9}), SAYS_OK);
	heard_text("hi");
	cr_assert_eq(ask(&t, a, K1, DO_listener_address), SAYS_OK);
	heard_text("127.0.0.1:8080");
	fake_call(&t.device, listener);
	cr_assert_eq(ask(&t, a, K1, DO_listener_poll, .word = {UINT64_MAX}), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 1);
	weaken(a, K1, RIGHT_make);
	cr_assert_eq(ask(&t, a, K1, DO_listener_accept), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, DO_listener_poll), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	theatre_close(&t);
}

/* What was opened under a key goes with it; who waits is woken. */
Test(connection, a_cut_takes_it)
{
	struct domain *b;

	open_a();
	b = theatre_actor(&t, "b");
	give_root(K1, "net", KIND_socket, fake_rule(&t.device, "192.0.2.1:80"));
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_derive, .word = {K1, UINT32_MAX, 1},
			     .receive = {K2, K3}), SAYS_OK);
	give_key(b, K1, &a->slots[K2]);
	cr_assert_eq(ask(&t, b, K1, DO_socket_connect, .receive = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, b, K2, DO_socket_read, .word = {10}), PENDING);
	cr_assert_eq(ask(&t, a, K3, DO_grant_cut), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 1);
	cr_assert_eq(listen(&t, b), SAYS_REVOKED);
	cr_assert_eq(ask(&t, b, K2, DO_socket_read, .word = {10}), SAYS_REVOKED);
	cr_assert_eq(ask(&t, b, K1, DO_socket_connect), SAYS_REVOKED);
	theatre_close(&t);
}

/* A narrowed rule with limits: so many bytes, so many uses. */
Test(connection, limits_go_with_the_grant)
{
	open_a();
	give_root(K1, "net", KIND_socket, fake_rule(&t.device, "192.0.2.1:80"));
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_derive, .word = {K1, UINT32_MAX, 1},
			     .text = (const uint64_t[]){UINT64_MAX, 4, UINT64_MAX, UINT64_MAX},
			     .text_bytes = 32, .receive = {K2, K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_socket_connect, .receive = {K4}), SAYS_OK);
	fake_stream_feed(&t.device, t.device.connected, "abcdefgh", 8);
	cr_assert_eq(ask(&t, a, K4, DO_socket_read, .word = {100}), SAYS_OK);
	heard_text("abcd");
	cr_assert_eq(ask(&t, a, K4, DO_socket_read, .word = {100}), SAYS_REVOKED);
	theatre_close(&t);
}

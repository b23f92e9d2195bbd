/* SPDX-License-Identifier: Apache-2.0 */
/* sock.c - sockets of preview 1 and of WasmEdge over a network in memory. */
#include "caps/wasi_edge.h"
#include "tests/caps/bench.h"
#include "tests/support/fake_net.h"

static struct bench b;
static uint32_t listener_handle;

enum { LISTENER = 3, ROOT = 4, /* descriptors */
	P1 = 0x4000, IOV = 0x5000, P2 = 0x6000, OUT = 0x100, OUT2 = 0x110, OUT3 = 0x120,
	ADDRESS = 0x200, ADDRESS_AT = 0x300, SUBS = 0x8000, EVENTS = 0xc000,
	ALL = RIGHT_read | RIGHT_write | RIGHT_make };

static struct key
net_key(const char *name, enum kind_id kind, uint32_t rights, uint32_t flags, uint32_t handle)
{
	return bench_root(&b, (struct caps_root){.name = name, .spec = name, .kind = kind,
				      .rights = rights, .flags = flags, .handle = handle});
}

/* A listener, a rule for one address at /net/api, one for two at /net/two, one for
 * datagrams, a resolver. */
static void
open_with(uint32_t rights)
{
	struct wasi_named keys[5];

	bench_open(&b);
	listener_handle = fake_listener(&b.device, "127.0.0.1:8080");
	keys[0] = (struct wasi_named){.name = "/net/in",
		.key = net_key("in", KIND_listener, rights, 0, listener_handle)};
	keys[1] = (struct wasi_named){.name = "/net/api",
		.key = net_key("api", KIND_socket, rights, 0,
			fake_rule(&b.device, "192.0.2.1:80"))};
	keys[2] = (struct wasi_named){.name = "/net/two",
		.key = net_key("two", KIND_socket, rights, 0,
			fake_rule(&b.device, "192.0.2.2:80 [2001:db8:0:0:0:0:0:1]:80"))};
	keys[3] = (struct wasi_named){.name = "/net/udp",
		.key = net_key("udp", KIND_socket, rights, CAPS_DATAGRAM,
			fake_rule(&b.device, "192.0.2.3:53 192.0.2.4:53"))};
	keys[4] = (struct wasi_named){.name = "/net/names",
		.key = net_key("names", KIND_resolver, rights, 0,
			fake_resolver(&b.device, "api.example"))};
	bench_setup(&b, &(struct wasi_config){.keys = keys,
				.keys_count = 5,
				.clock = bench_root(&b, (struct caps_root){.name = "clock",
					.spec = "clock:virtual", .kind = KIND_clock,
					.rights = RIGHT_read | RIGHT_sleep})});
}

static uint32_t
opened(void)
{
	return (uint32_t)bench_word(&b, OUT, 4);
}

static uint32_t
accept_one(void)
{
	fake_call(&b.device, listener_handle);
	cr_assert_eq(bench_call(&b, "sock_accept iii:i", LISTENER, 0, OUT), 0);
	return opened();
}

static uint32_t
receive(uint32_t fd, uint32_t bytes, uint32_t flags)
{
	bench_vector(&b, IOV, 0, P2, bytes);
	return bench_call(&b, "sock_recv", fd, IOV, 1, flags, OUT, OUT2);
}

static void
received(const char *text)
{
	cr_assert_eq(bench_word(&b, OUT, 4), strlen(text));
	cr_assert_arr_eq(b.memory + P2, text, strlen(text));
}

static void
feed(const char *text)
{
	fake_stream_feed(&b.device, b.device.connected, text, (uint32_t)strlen(text));
}

Test(sock, a_listener_is_where_programs_look_for_it)
{
	open_with(ALL);
	cr_assert_eq(bench_call(&b, "fd_prestat_get", LISTENER, OUT), 0);
	cr_assert_eq(b.memory[OUT], 1, "no directory, and no end of the list");
	cr_assert_eq(bench_call(&b, "fd_prestat_dir_name", LISTENER, P1, 10), WASI_ENOTDIR);
	cr_assert_eq(bench_call(&b, "fd_prestat_get", ROOT, OUT), 0);
	cr_assert_eq(b.memory[OUT], 0);
	cr_assert_eq(bench_call(&b, "fd_fdstat_get", LISTENER, OUT), 0);
	cr_assert_eq(b.memory[OUT], FILETYPE_SOCKET_STREAM);
	cr_assert_eq(bench_call(&b, "fd_read", LISTENER, IOV, 0, OUT), WASI_ENOTCONN);
	cr_assert_eq(bench_call(&b, "fd_write", LISTENER, IOV, 0, OUT), WASI_ENOTCONN);
	cr_assert_eq(bench_call(&b, "sock_shutdown", LISTENER, 1), WASI_ENOTCONN);
	bench_close(&b);
}

Test(sock, accept_receive_send_shutdown)
{
	uint64_t bytes;
	uint32_t fd;

	open_with(ALL);
	fd = accept_one();
	cr_assert_eq(bench_call(&b, "fd_fdstat_get", fd, OUT), 0);
	cr_assert_eq(b.memory[OUT], FILETYPE_SOCKET_STREAM);
	cr_assert_eq(bench_call(&b, "fd_filestat_get", fd, OUT), 0);
	cr_assert_eq(b.memory[OUT + 16], FILETYPE_SOCKET_STREAM);
	cr_assert_eq(bench_call(&b, "fd_seek", fd, 0, 0, OUT), WASI_ESPIPE);
	cr_assert_eq(bench_call(&b, "fd_pread", fd, IOV, 0, 0, OUT), WASI_ESPIPE);
	feed("hello");
	cr_assert_eq(receive(fd, 100, 0), 0);
	received("hello");
	feed("abc");
	bench_vector(&b, IOV, 0, P2, 2);
	cr_assert_eq(bench_call(&b, "fd_read", fd, IOV, 1, OUT), 0);
	received("ab");
	bench_text(&b, P1, "answer");
	bench_vector(&b, IOV, 0, P1, 6);
	cr_assert_eq(bench_call(&b, "sock_send", fd, IOV, 1, 0, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 6);
	cr_assert_eq(bench_call(&b, "sock_send", fd, IOV, 1, 1, OUT), WASI_EINVAL);
	cr_assert_arr_eq(fake_written(&b.device, b.device.connected, &bytes), "answer", 6);
	cr_assert_eq(bench_call(&b, "sock_shutdown", fd, 0), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "sock_shutdown", fd, 4), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "sock_shutdown", fd, 2), 0);
	cr_assert_eq(bench_call(&b, "sock_send", fd, IOV, 1, 0, OUT), WASI_EPIPE);
	cr_assert_eq(receive(fd, 100, 0), 0);
	received("c");
	cr_assert_eq(bench_call(&b, "sock_shutdown", fd, 1), 0);
	cr_assert_eq(receive(fd, 100, 0), 0);
	received("");
	cr_assert_eq(bench_call(&b, "fd_close", fd), 0);
	cr_assert_eq(receive(fd, 1, 0), WASI_EBADF);
	cr_assert_not(b.device.handles[b.device.connected].open);
	bench_close(&b);
}

Test(sock, what_is_asked_wrongly)
{
	uint32_t fd;

	open_with(ALL);
	fd = accept_one();
	cr_assert_eq(bench_call(&b, "sock_accept iii:i", fd, 0, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "sock_accept iii:i", ROOT, 0, OUT), WASI_EBADF);
	cr_assert_eq(bench_call(&b, "sock_accept iii:i", LISTENER, FDFLAG_APPEND, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "sock_accept iii:i", LISTENER, 0, BENCH_MEMORY), WASI_EFAULT);
	bench_vector(&b, IOV, 0, P2, 1);
	cr_assert_eq(bench_call(&b, "sock_recv", fd, IOV, 1, 4, OUT, OUT2), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "sock_recv", fd, IOV, 1, 0, OUT, BENCH_MEMORY), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "sock_recv", fd, IOV, 1, 0, BENCH_MEMORY, OUT), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "sock_recv", fd, BENCH_MEMORY, 1, 0, OUT, OUT2), WASI_EFAULT);
	bench_close(&b);
}

Test(sock, peek_and_waitall)
{
	uint32_t fd;

	open_with(ALL);
	fd = accept_one();
	feed("abcdef");
	cr_assert_eq(receive(fd, 3, 1), 0);
	received("abc");
	cr_assert_eq(receive(fd, 100, 1), 0);
	received("abcdef");
	cr_assert_eq(receive(fd, 2, 0), 0);
	received("ab");
	b.device.short_max = 3;
	feed("ghijklmnop");
	cr_assert_eq(receive(fd, 9, 2), 0);
	received("cdefghijk");
	cr_assert_eq(receive(fd, 9, 0), 0);
	received("lmn");
	fake_stream_close(&b.device, b.device.connected);
	cr_assert_eq(receive(fd, 9, 2), 0);
	received("op");
	bench_close(&b);
}

Test(sock, now_or_never)
{
	uint32_t fd;

	open_with(ALL);
	fd = accept_one();
	cr_assert_eq(bench_call(&b, "fd_fdstat_set_flags", LISTENER, FDFLAG_NONBLOCK), 0);
	cr_assert_eq(bench_call(&b, "sock_accept iii:i", LISTENER, 0, OUT), WASI_EAGAIN);
	cr_assert_eq(bench_call(&b, "fd_fdstat_set_flags", fd, FDFLAG_NONBLOCK), 0);
	cr_assert_eq(receive(fd, 9, 0), WASI_EAGAIN);
	feed("x");
	cr_assert_eq(receive(fd, 9, 0), 0);
	received("x");
	fake_call(&b.device, listener_handle);
	cr_assert_eq(bench_call(&b, "sock_accept iii:i", LISTENER, FDFLAG_NONBLOCK, OUT), 0);
	fd = opened();
	cr_assert_eq(bench_call(&b, "fd_fdstat_get", fd, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT + 2, 2), FDFLAG_NONBLOCK);
	bench_close(&b);
}

static void
sub_fd(uint32_t index, uint8_t type, uint32_t fd)
{
	const uint32_t at = SUBS + 48 * index;

	memset(b.memory + at, 0, 48);
	bench_put(&b, at, 100 + index, 8);
	b.memory[at + 8] = type;
	bench_put(&b, at + 16, fd, 4);
}

Test(sock, polls_of_listeners_connections_and_clocks)
{
	uint32_t fd;

	open_with(ALL);
	fd = accept_one();
	sub_fd(0, EVENT_READ, LISTENER);
	sub_fd(1, EVENT_READ, fd);
	sub_fd(2, EVENT_CLOCK, 0);
	bench_put(&b, SUBS + 2 * 48 + 16, CLOCKID_MONOTONIC, 4);
	bench_put(&b, SUBS + 2 * 48 + 24, 1000, 8);
	cr_assert_eq(bench_call(&b, "poll_oneoff", SUBS, EVENTS, 3, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 1);
	cr_assert_eq(bench_word(&b, EVENTS, 8), 102, "the time ran out");
	fake_call(&b.device, listener_handle);
	cr_assert_eq(bench_call(&b, "poll_oneoff", SUBS, EVENTS, 3, OUT), 0);
	cr_assert_eq(bench_word(&b, EVENTS, 8), 100);
	cr_assert_eq(bench_call(&b, "sock_accept iii:i", LISTENER, 0, OUT), 0);
	b.device.connected = b.device.handles[b.device.connected].open ? b.device.connected : 0;
	feed("xy");
	sub_fd(1, EVENT_READ, opened());
	cr_assert_eq(bench_call(&b, "poll_oneoff", SUBS, EVENTS, 3, OUT), 0);
	cr_assert_eq(bench_word(&b, EVENTS, 8), 101);
	cr_assert_eq(bench_word(&b, EVENTS + 16, 8), 2, "so much is there");
	sub_fd(0, EVENT_WRITE, LISTENER);
	cr_assert_eq(bench_call(&b, "poll_oneoff", SUBS, EVENTS, 1, OUT), 0);
	bench_close(&b);
}

Test(sock, names_in_the_tree)
{
	uint64_t bytes;
	int fd;

	open_with(ALL);
	fd = bench_open_path(&b, ROOT, "net/api", 0, RW, 0);
	cr_assert_geq(fd, 0);
	cr_assert_str_eq(b.device.handles[b.device.connected].text, "192.0.2.1:80");
	cr_assert_eq(bench_write(&b, (uint32_t)fd, "GET /"), 0);
	cr_assert_arr_eq(fake_written(&b.device, b.device.connected, &bytes), "GET /", 5);
	cr_assert_eq(bench_call(&b, "path_filestat_get", ROOT, 0, P1, bench_text(&b, P1, "net/api"), OUT),
		0);
	cr_assert_eq(b.memory[OUT + 16], FILETYPE_SOCKET_STREAM);
	cr_assert_eq(bench_open_path(&b, ROOT, "net/two", 0, RW, 0), -WASI_EINVAL,
		"which of the two is not said");
	cr_assert_eq(bench_open_path(&b, ROOT, "net/names", 0, RW, 0), -WASI_ENOTSUP);
	cr_assert_eq(bench_open_path(&b, ROOT, "net/in", 0, RW, FDFLAG_NONBLOCK), -WASI_EAGAIN);
	fake_call(&b.device, listener_handle);
	cr_assert_geq(bench_open_path(&b, ROOT, "net/in", 0, RW, 0), 0, "who connects next");
	cr_assert_eq(bench_open_path(&b, ROOT, "net/api", OFLAG_DIRECTORY, RW, 0), -WASI_ENOTDIR);
	for (uint32_t i = 0; i < 16; i++) /* the rule now leads to what is private */
		if (b.device.handles[i].net == FAKE_RULE)
			b.device.handles[i].text[0] = 0;
	cr_assert_eq(bench_open_path(&b, ROOT, "net/api", 0, RW, 0), -WASI_ENOTCAPABLE);
	cr_assert_str_eq(caps_why(&b.domain, 0)->why, "it is private", "the broker's words");
	cr_assert_str_eq(caps_why(&b.domain, 0)->allow, "give a key that allows it, beside api");
	bench_close(&b);
}

Test(sock, rights)
{
	uint32_t fd;

	open_with(RIGHT_read);
	cr_assert_eq(bench_call(&b, "sock_accept iii:i", LISTENER, 0, OUT), WASI_ENOTCAPABLE);
	cr_assert_str_eq(caps_why(&b.domain, 0)->why, "the key is not for accepting");
	cr_assert_eq(bench_open_path(&b, ROOT, "net/api", 0, RW, 0), -WASI_ENOTCAPABLE);
	bench_close(&b);
	open_with(RIGHT_read | RIGHT_make);
	fd = accept_one();
	cr_assert_eq(bench_write(&b, fd, "x"), WASI_ENOTCAPABLE, "connections have what their key has");
	bench_close(&b);
}

/* --- WasmEdge's ---------------------------------------------------------------------------- */

static uint32_t
address(const char *text)
{
	struct edge_address parsed;

	cr_assert(edge_read((struct path){text, (uint32_t)strlen(text)}, true, &parsed), "%s", text);
	bench_put(&b, ADDRESS, ADDRESS_AT, 4);
	bench_put(&b, ADDRESS + 4, parsed.family == EDGE_INET4 ? 4 : 16, 4);
	memcpy(b.memory + ADDRESS_AT, parsed.bytes, 16);
	return parsed.port;
}

static uint32_t
sock_open(uint32_t family, uint32_t type)
{
	cr_assert_eq(bench_call(&b, "sock_open", family, type, OUT), 0);
	return opened();
}

static uint32_t
dial(uint32_t fd, const char *text)
{
	const uint32_t port = address(text);

	return bench_call(&b, "sock_connect", fd, ADDRESS, port);
}

Test(edge, connect_looks_for_a_key_that_allows_it)
{
	const struct caps_why *why;
	uint32_t fd, other;

	open_with(ALL);
	fd = sock_open(EDGE_INET4, EDGE_STREAM);
	cr_assert_eq(receive(fd, 1, 0), WASI_ENOTCONN);
	cr_assert_eq(dial(fd, "192.0.2.7:80"), WASI_ENOTCAPABLE);
	why = caps_why(&b.domain, 0);
	cr_assert_str_eq(why->what, "sock_connect \"192.0.2.7:80\"");
	cr_assert_str_eq(why->why, "no key allows this address");
	cr_assert_str_eq(why->allow, "--connect 192.0.2.7:80");
	cr_assert_eq(dial(fd, "192.0.2.3:53"), WASI_ENOTCAPABLE, "that is a rule for datagrams");
	cr_assert_eq(dial(fd, "192.0.2.2:80"), 0, "by the second rule");
	cr_assert_eq(dial(fd, "192.0.2.2:80"), WASI_EISCONN);
	feed("hi");
	cr_assert_eq(receive(fd, 9, 0), 0);
	received("hi");
	other = sock_open(EDGE_INET6, EDGE_STREAM);
	fake_fail(&b.device, DEVICE_CONNECT, 2, DEVICE_ECONNREFUSED);
	cr_assert_eq(dial(other, "[2001:db8::1]:80"), WASI_ECONNREFUSED);
	cr_assert_eq(dial(other, "[2001:db8::1]:80"), 0);
	cr_assert_eq(bench_call(&b, "sock_open", 9, 2, OUT), WASI_EAFNOSUPPORT);
	cr_assert_eq(bench_call(&b, "sock_open", 1, 3, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "sock_open", 1, 2, BENCH_MEMORY), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "sock_connect", 77, ADDRESS, 1), WASI_EBADF);
	cr_assert_eq(bench_call(&b, "sock_connect", fd, BENCH_MEMORY, 1), WASI_EISCONN);
	fd = sock_open(EDGE_INET4, EDGE_STREAM);
	cr_assert_eq(bench_call(&b, "sock_connect", fd, BENCH_MEMORY, 1), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "sock_connect", fd, ADDRESS, 65536), WASI_EINVAL);
	bench_put(&b, ADDRESS + 4, 5, 4);
	cr_assert_eq(bench_call(&b, "sock_connect", fd, ADDRESS, 1), WASI_EINVAL);
	bench_close(&b);
}

Test(edge, bind_and_listen_find_the_listener_of_that_address)
{
	uint32_t fd, port, accepted;

	open_with(ALL);
	fd = sock_open(EDGE_INET4, EDGE_STREAM);
	port = address("127.0.0.1:8081");
	cr_assert_eq(bench_call(&b, "sock_bind", fd, ADDRESS, port), 0);
	cr_assert_eq(bench_call(&b, "sock_bind", fd, ADDRESS, port), WASI_EINVAL, "once");
	cr_assert_eq(bench_call(&b, "sock_listen", fd, 10), WASI_ENOTCAPABLE);
	cr_assert_str_eq(caps_why(&b.domain, 0)->allow, "--listen 127.0.0.1:8081");
	cr_assert_eq(bench_call(&b, "fd_close", fd), 0);
	fd = sock_open(EDGE_INET4, EDGE_STREAM);
	port = address("0.0.0.0:8080");
	cr_assert_eq(bench_call(&b, "sock_bind", fd, ADDRESS, port), 0);
	cr_assert_eq(bench_call(&b, "sock_listen", fd, 10), 0);
	cr_assert_eq(bench_call(&b, "sock_listen", fd, 10), 0);
	fake_call(&b.device, listener_handle);
	cr_assert_eq(bench_call(&b, "sock_accept ii:i", fd, OUT), 0, "version 1");
	accepted = opened();
	fake_call(&b.device, listener_handle);
	cr_assert_eq(bench_call(&b, "sock_accept iii:i", fd, 0, OUT), 0, "version 2");
	bench_put(&b, ADDRESS + 4, 16, 4);
	cr_assert_eq(bench_call(&b, "sock_getpeeraddr iiii:i", accepted, ADDRESS, OUT, OUT2), 0);
	cr_assert_arr_eq(b.memory + ADDRESS_AT, ((uint8_t[]){192, 0, 2, 9}), 4);
	cr_assert_eq(bench_word(&b, OUT, 4), 4);
	cr_assert_eq(bench_word(&b, OUT2, 4), 1000);
	bench_put(&b, ADDRESS + 4, 128, 4);
	cr_assert_eq(bench_call(&b, "sock_getlocaladdr iii:i", fd, ADDRESS, OUT2), 0);
	cr_assert_eq(bench_word(&b, ADDRESS_AT, 2), EDGE_INET4);
	cr_assert_arr_eq(b.memory + ADDRESS_AT + 2, ((uint8_t[]){127, 0, 0, 1}), 4);
	cr_assert_eq(bench_word(&b, OUT2, 4), 8080);
	cr_assert_eq(bench_call(&b, "sock_getpeeraddr iii:i", fd, ADDRESS, OUT2), WASI_ENOTCONN);
	cr_assert_eq(bench_call(&b, "sock_getlocaladdr iiii:i", accepted, ADDRESS, OUT, OUT2), 0);
	cr_assert_eq(bench_word(&b, OUT2, 4), 4000);
	cr_assert_eq(bench_call(&b, "sock_getpeeraddr iii:i", accepted, ADDRESS, OUT2), 0);
	bench_close(&b);
}

Test(edge, datagrams_are_read_whole)
{
	uint32_t fd, port;

	open_with(ALL);
	fd = sock_open(EDGE_INET4, EDGE_DATAGRAM);
	port = address("192.0.2.3:53");
	bench_text(&b, P1, "ask");
	bench_vector(&b, IOV, 0, P1, 3);
	cr_assert_eq(bench_call(&b, "sock_send_to", fd, IOV, 1, ADDRESS, port, 0, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 3);
	feed("12345");
	bench_vector(&b, IOV, 0, P2, 3);
	bench_put(&b, ADDRESS + 4, 128, 4);
	cr_assert_eq(bench_call(&b, "sock_recv_from iiiiiiii:i", fd, IOV, 1, ADDRESS, 0, OUT3, OUT, OUT2),
		0);
	received("123");
	cr_assert_eq(bench_word(&b, OUT2, 2), 1, "the rest of it is gone, and told");
	cr_assert_eq(bench_word(&b, OUT3, 4), 53);
	cr_assert_eq(bench_word(&b, ADDRESS_AT, 2), EDGE_INET4);
	feed("67");
	bench_put(&b, ADDRESS + 4, 16, 4);
	cr_assert_eq(bench_call(&b, "sock_recv_from iiiiiii:i", fd, IOV, 1, ADDRESS, 0, OUT, OUT2), 0);
	received("67");
	cr_assert_eq(bench_word(&b, OUT2, 2), 0);
	port = address("192.0.2.4:53");
	bench_vector(&b, IOV, 0, P1, 3);
	cr_assert_eq(bench_call(&b, "sock_send_to", fd, IOV, 1, ADDRESS, port, 0, OUT), 0);
	cr_assert_str_eq(b.device.handles[b.device.connected].text, "192.0.2.4:53");
	port = address("192.0.2.5:53");
	cr_assert_eq(bench_call(&b, "sock_send_to", fd, IOV, 1, ADDRESS, port, 0, OUT),
		WASI_ENOTCAPABLE);
	fd = sock_open(EDGE_INET4, EDGE_STREAM);
	cr_assert_eq(bench_call(&b, "sock_send_to", fd, IOV, 1, ADDRESS, port, 0, OUT), WASI_ENOTCONN);
	bench_close(&b);
}

static void
option(uint32_t fd, uint32_t name, uint32_t value)
{
	bench_put(&b, OUT2, 4, 4);
	cr_assert_eq(bench_call(&b, "sock_getsockopt", fd, 0, name, OUT, OUT2), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), value);
}

Test(edge, options)
{
	uint32_t fd;

	open_with(ALL);
	fd = sock_open(EDGE_INET4, EDGE_DATAGRAM);
	option(fd, 1, EDGE_DATAGRAM);
	option(LISTENER, 1, EDGE_STREAM);
	option(LISTENER, 13, 1);
	option(fd, 2, 0);
	cr_assert_eq(bench_call(&b, "sock_getsockopt", fd, 0, 11, OUT, OUT2), WASI_ENOPROTOOPT);
	bench_put(&b, OUT2, 3, 4);
	cr_assert_eq(bench_call(&b, "sock_getsockopt", fd, 0, 1, OUT, OUT2), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "sock_setsockopt", fd, 0, 0, OUT, 4), 0);
	cr_assert_eq(bench_call(&b, "sock_setsockopt", fd, 0, 11, OUT, 8), WASI_ENOPROTOOPT,
		"a limit that would not be kept");
	cr_assert_eq(bench_call(&b, "sock_setsockopt", fd, 1, 0, OUT, 4), WASI_ENOPROTOOPT);
	cr_assert_eq(bench_call(&b, "sock_setsockopt", fd, 0, 0, BENCH_MEMORY, 4), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "sock_setsockopt", ROOT, 0, 0, OUT, 4), WASI_EBADF);
	bench_close(&b);
}

/* Two records for results, as bindings lay them out; which is the first. */
static uint32_t
lookup(const char *name, const char *service, uint8_t family)
{
	const uint32_t info = 0x1000, sockaddr = 0x1100, data = 0x1200, hints = 0x1300, first = 0x1400;

	memset(b.memory + info, 0, 0x400);
	for (uint32_t i = 0; i < 2; i++) {
		bench_put(&b, info + 28 * i + 12, sockaddr + 16 * i, 4);
		bench_put(&b, info + 28 * i + 24, i ? 0 : info + 28, 4);
		bench_put(&b, sockaddr + 16 * i + 8, data + 32 * i, 4);
	}
	b.memory[hints + 2] = family;
	bench_put(&b, first, info, 4);
	memset(b.memory + P1, 0, 64);
	memset(b.memory + P2, 0, 64);
	bench_text(&b, P1, name);
	bench_text(&b, P2, service);
	return bench_call(&b, "sock_getaddrinfo", P1, strlen(name) + 1, P2, strlen(service) + 1, hints,
		first, 2, OUT);
}

Test(edge, names_are_asked_of_keys)
{
	open_with(ALL);
	cr_assert_eq(lookup("api.example", "8080", 0), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 2);
	cr_assert_arr_eq(b.memory + 0x1200, ((uint8_t[]){0x1f, 0x90, 192, 0, 2, 1}), 6);
	cr_assert_arr_eq(b.memory + 0x1220, ((uint8_t[]){0x1f, 0x90, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8}), 10);
	cr_assert_eq(lookup("api.example", "http", EDGE_INET6), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 1);
	cr_assert_eq(lookup("192.0.2.77", "", 0), 0, "is no name");
	cr_assert_eq(lookup("other.example", "1", 0), WASI_ENOTCAPABLE);
	cr_assert_str_eq(caps_why(&b.domain, 0)->allow, "--key resolve:other.example");
	cr_assert_eq(lookup("api.example", "gopher", 0), WASI_EINVAL);
	cr_assert_eq(lookup("", "1", 0), WASI_EINVAL);
	bench_close(&b);
}

Test(edge, addresses_as_texts)
{
	static const struct {
		const char *from, *to;
	} good[] = {{"1.2.3.4:5", "1.2.3.4:5"}, {"[::]:0", "[0:0:0:0:0:0:0:0]:0"},
		{"[::1]:65535", "[0:0:0:0:0:0:0:1]:65535"}, {"[1::]:9", "[1:0:0:0:0:0:0:0]:9"},
		{"[2001:DB8::ffff:1.2.3.4]:80", "[2001:db8:0:0:0:ffff:102:304]:80"},
		{"[1:2:3:4:5:6:7:8]:1", "[1:2:3:4:5:6:7:8]:1"}};
	static const char *const bad[] = {"", "1.2.3:4", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536",
		"256.1.1.1:1", "[::1]", "::1:80", "[1::2::3]:1", "[1:2:3:4:5:6:7]:1",
		"[1:2:3:4:5:6:7:8:9]:1", "[12345::]:1", "[::1:80", "[:1]:1", "1.2.3.4:1 ", "a:1"};
	struct edge_address address;
	char text[DEVICE_ADDRESS_BYTES];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		cr_assert(edge_read((struct path){good[i].from, (uint32_t)strlen(good[i].from)}, true,
				  &address), "%s", good[i].from);
		text[edge_say(&address, text)] = 0;
		cr_assert_str_eq(text, good[i].to);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_not(edge_read((struct path){bad[i], (uint32_t)strlen(bad[i])}, true, &address),
			"%s", bad[i]);
}

/* --- images ------------------------------------------------------------------------------------ */

Test(sock, a_connection_is_not_found_again)
{
	uint32_t fd, unbound;

	open_with(ALL);
	fd = accept_one();
	unbound = sock_open(EDGE_INET4, EDGE_STREAM);
	bench_freeze_thaw(&b);
	cr_assert_eq(receive(fd, 1, 0), WASI_ECONNRESET);
	cr_assert_eq(bench_write(&b, fd, "x"), WASI_ECONNRESET);
	cr_assert_eq(dial(unbound, "192.0.2.1:80"), 0, "what had none goes on");
	cr_assert_neq(accept_one(), fd, "the listener is bound by its name");
	cr_assert_eq(bench_call(&b, "fd_close", fd), 0);
	bench_close(&b);
}

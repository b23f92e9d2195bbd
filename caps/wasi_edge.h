/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_edge.h - addresses as WasmEdge's guests have them, and as texts.
 *
 * A guest's `struct {buf u32, size u32}` leads to 4 or 16 bytes of an address, or
 * to 128 bytes that begin with its family, a u16. */
#pragma once

#include "caps/wasi.h"

enum edge_family { EDGE_ANY, EDGE_INET4, EDGE_INET6 };
enum edge_type { EDGE_TYPE_ANY, EDGE_DATAGRAM, EDGE_STREAM };

struct edge_address {
	uint8_t family; /* enum edge_family */
	uint8_t bytes[16];
	uint16_t port;
};

/* "192.0.2.1:80", "[2001:db8::1]:80"; with_port false: without the port. */
bool edge_read(struct path text, bool with_port, struct edge_address *ret);
/* What edge_read() reads; its bytes. */
uint32_t edge_say(const struct edge_address *address, char to[static DEVICE_ADDRESS_BYTES]);
bool edge_same(const struct edge_address *a, const struct edge_address *b);
/* The address in guest memory; WASI_EFAULT, WASI_EINVAL. */
enum wasi_errno edge_load(struct call *call, uint32_t at, uint32_t port, struct edge_address *ret);
/* Puts one there; `type_at`, `port_at` 0: not asked for. */
enum wasi_errno edge_store(struct call *call, uint32_t at, const struct edge_address *address,
	uint32_t type_at, uint32_t port_at);

/* wasi_sock.c */
enum call_end sock_accept_at(struct call *call, struct wasi *wasi, uint32_t fdflags,
	uint32_t result_at);
enum call_end sock_receive_from(struct call *call, struct wasi *wasi, uint32_t flags,
	uint32_t result_at, uint32_t flags_at);

/* The next key among the domain's slots, from `from` on, of one of these kinds and not a
 * connection; -1: none is left. */
int32_t edge_key(struct wasi *wasi, uint32_t from, uint32_t kinds);
/* No key allows it: answered, counted, explained. */
enum call_end edge_refuse(struct call *call, struct wasi *wasi, struct path what, const char *why,
	const char *allow);

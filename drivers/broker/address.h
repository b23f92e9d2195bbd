/* SPDX-License-Identifier: Apache-2.0 */
/* address.h - Internet addresses, ranges of them, and which are special.
 *
 * Owns     nothing.
 * Does     reads and writes addresses as text, strictly: four decimal numbers,
 *          or RFC 4291; says what special.def knows of one.
 * Callers  rule.c, net*.c; tools/keyhold through rule.h.
 * Never    asks a name server, or accepts what only looks like an address to
 *          some resolvers ("127.1", "0x7f000001", "010.0.0.1").
 *
 * ADDRESS1 an IPv4 address in an IPv6 one (::ffff:0:0/96) is the IPv4 address:
 *          no struct address holds the mapped form. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
	uint8_t bytes[16]; /* IPv4: the first four */
	bool six;
};

enum { ADDRESS_TEXT_MAX = 64 }; /* "[..]:65535" and its end */

enum address_class {
	ADDRESS_PUBLIC,
	ADDRESS_LOOPBACK,
	ADDRESS_PRIVATE,
	ADDRESS_LINK_LOCAL,
	ADDRESS_UNSPECIFIED,
	ADDRESS_MULTICAST,
	ADDRESS_RESERVED,
	ADDRESS_METADATA,
};

struct address_special {
	const char *words; /* "private (RFC 1918)"; NULL: public */
	enum address_class class;
	struct address within; /* the row of special.def */
	uint8_t length;
};

/* `bytes` of text, the whole of it. */
bool address_read(const char *text, size_t bytes, struct address *ret_address);
/* Does the text look so much like an IPv4 address that no name may be meant? */
bool address_resembled(const char *text, size_t bytes);
/* "192.0.2.1:80", "[2001:db8::1]:80"; port < 0: without it and without brackets. */
void address_say(const struct address *address, int32_t port, char *to, size_t to_bytes);
bool address_equal(const struct address *a, const struct address *b);
/* Do its first `length` bits agree? */
bool address_within(const struct address *address, const struct address *range, uint8_t length);
/* Are all bits behind the first `length` zero? */
bool address_is_range(const struct address *address, uint8_t length);
uint8_t address_bits(const struct address *address); /* 32 or 128 */

struct address_special address_special(const struct address *address);

/* To and from what the kernel takes. */
socklen_t address_to_sock(const struct address *address, uint16_t port, struct sockaddr_storage *ret_sock);
bool address_of_sock(const struct sockaddr_storage *sock, struct address *ret_address, uint16_t *ret_port);
/* The text of a peer or of one's own end: also "unix:/path", "unix:". */
void address_say_sock(const struct sockaddr_storage *sock, socklen_t bytes, char *to, size_t to_bytes);

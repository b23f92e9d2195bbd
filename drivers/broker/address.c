/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/broker/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static const struct {
	const char *prefix;
	uint8_t length;
	enum address_class class;
	const char *words;
} specials[] = {
#define SPECIAL(prefix, length, class, words) {prefix, length, ADDRESS_##class, words},
#include "drivers/broker/special.def"
#undef SPECIAL
};

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

/* inet_pton takes four decimal numbers without leading zeros, or RFC 4291. */
bool
address_read(const char *text, size_t bytes, struct address *ret_address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct address address = {.six = memchr(text, ':', bytes) != NULL};
	char copy[INET6_ADDRSTRLEN];

	if (bytes >= sizeof copy || memchr(text, '\0', bytes))
		return false;
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	if (inet_pton(address.six ? AF_INET6 : AF_INET, copy, address.bytes) != 1)
		return false;
	if (address.six && !memcmp(address.bytes, mapped, sizeof mapped)) {
		memcpy(address.bytes, address.bytes + 12, 4);
		memset(address.bytes + 4, 0, 12);
		address.six = false;
	}
	*ret_address = address;
	return true;
}

/* "Ends in a number", as the URL standard has it: the last part decides. */
bool
address_resembled(const char *text, size_t bytes)
{
	size_t from;

	if (bytes && text[bytes - 1] == '.')
		bytes--;
	for (from = bytes; from > 0 && text[from - 1] != '.'; from--)
		;
	if (from == bytes)
		return false;
	if (bytes - from >= 2 && text[from] == '0' && (text[from + 1] | 0x20) == 'x')
		return true;
	for (; from < bytes; from++)
		if (!digit(text[from]))
			return false;
	return true;
}

void
address_say(const struct address *address, int32_t port, char *to, size_t to_bytes)
{
	char text[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(address->six ? AF_INET6 : AF_INET, address->bytes, text, sizeof text);
	if (port < 0)
		(void)snprintf(to, to_bytes, "%s", text);
	else
		(void)snprintf(to, to_bytes, address->six ? "[%s]:%d" : "%s:%d", text, (int)port);
}

uint8_t
address_bits(const struct address *address)
{
	return address->six ? 128 : 32;
}

bool
address_equal(const struct address *a, const struct address *b)
{
	return a->six == b->six && !memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

bool
address_within(const struct address *address, const struct address *range, uint8_t length)
{
	const uint8_t whole = length / 8, rest = length % 8;

	if (address->six != range->six || memcmp(address->bytes, range->bytes, whole))
		return false;
	return !rest || !((address->bytes[whole] ^ range->bytes[whole]) >> (8 - rest));
}

bool
address_is_range(const struct address *address, uint8_t length)
{
	for (uint8_t bit = length; bit < address_bits(address); bit++)
		if (address->bytes[bit / 8] >> (7 - bit % 8) & 1)
			return false;
	return true;
}

/* IPv4 that travels in an IPv6 address and comes out at some gateway. */
static bool
carried(const struct address *address, struct address *ret_inner)
{
	static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b}, old[12];
	const uint8_t *at = address->bytes;
	struct address inner = {0};

	if (!address->six)
		return false;
	if (!memcmp(at, nat64, 12) || !memcmp(at, old, 12))
		memcpy(inner.bytes, at + 12, 4);
	else if (at[0] == 0x20 && at[1] == 0x02) /* 6to4 */
		memcpy(inner.bytes, at + 2, 4);
	else if (at[0] == 0x20 && at[1] == 0x01 && !at[2] && !at[3]) /* Teredo */
		for (int i = 0; i < 4; i++)
			inner.bytes[i] = (uint8_t)~at[12 + i];
	else
		return false;
	*ret_inner = inner;
	return true;
}

static struct address_special
special_of(const struct address *address)
{
	for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
		struct address within;

		if (address_read(specials[i].prefix, strlen(specials[i].prefix), &within) &&
			address_within(address, &within, specials[i].length))
			return (struct address_special){.words = specials[i].words,
				.class = specials[i].class,
				.within = within,
				.length = specials[i].length};
	}
	return (struct address_special){0};
}

struct address_special
address_special(const struct address *address)
{
	struct address_special outer = special_of(address), in;
	struct address inner;

	if (outer.class == ADDRESS_METADATA || !carried(address, &inner))
		return outer;
	/* ::1 and :: are nobody's IPv4. */
	if (outer.class == ADDRESS_LOOPBACK || outer.class == ADDRESS_UNSPECIFIED)
		return outer;
	in = special_of(&inner);
	if (in.class == ADDRESS_METADATA)
		return in;
	/* Only the address in its outer form can be named by a key: the range it
	 * must lie in is then the outer one, or the address itself. */
	if (in.words && !outer.words) {
		in.within = *address;
		in.length = 128;
		return in;
	}
	return outer;
}

socklen_t
address_to_sock(const struct address *address, uint16_t port, struct sockaddr_storage *ret_sock)
{
	memset(ret_sock, 0, sizeof *ret_sock);
	if (address->six) {
		struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)ret_sock;

		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		memcpy(&six->sin6_addr, address->bytes, 16);
		return sizeof *six;
	}
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)ret_sock;

	four->sin_family = AF_INET;
	four->sin_port = htons(port);
	memcpy(&four->sin_addr, address->bytes, 4);
	return sizeof *four;
}

bool
address_of_sock(const struct sockaddr_storage *sock, struct address *ret_address, uint16_t *ret_port)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)sock;
	const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)sock;
	char text[INET6_ADDRSTRLEN];

	if (sock->ss_family == AF_INET6) {
		*ret_port = ntohs(six->sin6_port);
		/* By way of its text, so that a mapped address is an IPv4 one. */
		return inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text) &&
		       address_read(text, strlen(text), ret_address);
	}
	if (sock->ss_family != AF_INET)
		return false;
	*ret_address = (struct address){0};
	memcpy(ret_address->bytes, &four->sin_addr, 4);
	*ret_port = ntohs(four->sin_port);
	return true;
}

void
address_say_sock(const struct sockaddr_storage *sock, socklen_t bytes, char *to, size_t to_bytes)
{
	const struct sockaddr_un *path = (const struct sockaddr_un *)(const void *)sock;
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	struct address address;
	uint16_t port;

	if (address_of_sock(sock, &address, &port))
		address_say(&address, port, to, to_bytes);
	else if (sock->ss_family == AF_UNIX && bytes > head && path->sun_path[0])
		(void)snprintf(to, to_bytes, "unix:%.*s", (int)(bytes - head), path->sun_path);
	else
		(void)snprintf(to, to_bytes, "unix:");
}

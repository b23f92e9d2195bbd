/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_edge_names.c - addresses between bytes and texts; sock_getaddrinfo. */
#include "caps/wasi_edge.h"

/* --- texts ------------------------------------------------------------------------------ */

struct scan {
	const char *at, *end;
};

static bool
skip(struct scan *scan, char c)
{
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

static bool
number(struct scan *scan, unsigned base, uint32_t most, uint32_t *ret)
{
	const char *first = scan->at;

	*ret = 0;
	for (; scan->at < scan->end; scan->at++) {
		const char c = *scan->at;
		unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
			: c >= 'a' && c <= 'f'        ? (unsigned)(c - 'a') + 10
			: c >= 'A' && c <= 'F'        ? (unsigned)(c - 'A') + 10
						      : 16;

		if (digit >= base)
			break;
		*ret = *ret * base + digit;
		if (*ret > most)
			return false;
	}
	return scan->at > first;
}

static bool
read_inet4(struct scan *scan, uint8_t *to)
{
	for (unsigned i = 0; i < 4; i++) {
		uint32_t byte;

		if ((i && !skip(scan, '.')) || !number(scan, 10, 255, &byte))
			return false;
		to[i] = (uint8_t)byte;
	}
	return true;
}

/* Groups, with one "::" perhaps; the last four bytes may be written as an IPv4 address. */
static bool
read_inet6(struct scan *scan, uint8_t to[16])
{
	uint8_t bytes[16] = {0};
	unsigned used = 0, gap = 17;

	if (skip(scan, ':')) {
		if (!skip(scan, ':'))
			return false;
		gap = 0;
	}
	while (used < 16 && scan->at < scan->end && *scan->at != ']') {
		struct scan four = *scan;
		uint32_t group;

		if (used <= 12 && read_inet4(&four, bytes + used)) {
			*scan = four;
			used += 4;
			break;
		}
		if (!number(scan, 16, 0xffff, &group))
			return false;
		bytes[used++] = (uint8_t)(group >> 8);
		bytes[used++] = (uint8_t)group;
		if (!skip(scan, ':'))
			break;
		if (gap == 17 && skip(scan, ':'))
			gap = used;
	}
	if (gap == 17 ? used != 16 : used > 14)
		return false;
	memset(to, 0, 16);
	gap = gap == 17 ? used : gap;
	memcpy(to, bytes, gap);
	memcpy(to + 16 - (used - gap), bytes + gap, used - gap);
	return true;
}

bool
edge_read(struct path text, bool with_port, struct edge_address *ret)
{
	struct scan scan = {text.text, text.text + text.bytes};
	const struct scan first = scan;
	uint32_t port = 0;

	*ret = (struct edge_address){0};
	if (read_inet4(&scan, ret->bytes)) {
		ret->family = EDGE_INET4;
	} else {
		scan = first;
		const bool bracket = skip(&scan, '[');

		if (bracket != with_port || !read_inet6(&scan, ret->bytes) ||
			(bracket && !skip(&scan, ']')))
			return false;
		ret->family = EDGE_INET6;
	}
	if (with_port && (!skip(&scan, ':') || !number(&scan, 10, 65535, &port)))
		return false;
	ret->port = (uint16_t)port;
	return scan.at == scan.end;
}

static uint32_t
put_number(char *to, uint32_t value, unsigned base)
{
	char digits[12];
	uint32_t count = 0;

	do
		digits[count++] = "0123456789abcdef"[value % base];
	while (value /= base);
	for (uint32_t i = 0; i < count; i++)
		to[i] = digits[count - 1 - i];
	return count;
}

uint32_t
edge_say(const struct edge_address *address, char to[static DEVICE_ADDRESS_BYTES])
{
	uint32_t at = 0;

	if (address->family == EDGE_INET4) {
		for (unsigned i = 0; i < 4; i++) {
			if (i)
				to[at++] = '.';
			at += put_number(to + at, address->bytes[i], 10);
		}
	} else {
		to[at++] = '[';
		for (unsigned i = 0; i < 16; i += 2) {
			if (i)
				to[at++] = ':';
			at += put_number(to + at,
				(uint32_t)address->bytes[i] << 8 | address->bytes[i + 1], 16);
		}
		to[at++] = ']';
	}
	to[at++] = ':';
	return at + put_number(to + at, address->port, 10);
}

bool
edge_same(const struct edge_address *a, const struct edge_address *b)
{
	return a->family == b->family && a->port == b->port &&
		!memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

/* --- guest memory -------------------------------------------------------------------------- */

enum { ADDRESS_LONG = 128, ADDRESS_STRUCT = 8 };

static uint8_t *
buffer_at(struct call *call, uint32_t at, uint64_t *ret_size)
{
	const uint8_t *address = call_mem(call, at, ADDRESS_STRUCT);

	if (!address)
		return NULL;
	*ret_size = load_word(address + 4, 4);
	return call_mem(call, load_word(address, 4), *ret_size);
}

enum wasi_errno
edge_load(struct call *call, uint32_t at, uint32_t port, struct edge_address *ret)
{
	uint64_t size = 0;
	const uint8_t *from = buffer_at(call, at, &size);

	*ret = (struct edge_address){.port = (uint16_t)port};
	if (!from)
		return WASI_EFAULT;
	if (port > 65535)
		return WASI_EINVAL;
	if (size == 4 || size == 16) {
		ret->family = size == 4 ? EDGE_INET4 : EDGE_INET6;
	} else if (size >= ADDRESS_LONG) {
		const uint64_t family = load_word(from, 2);

		if (family != EDGE_INET4 && family != EDGE_INET6)
			return WASI_EAFNOSUPPORT;
		ret->family = (uint8_t)family;
		from += 2;
	} else {
		return WASI_EINVAL;
	}
	memcpy(ret->bytes, from, ret->family == EDGE_INET4 ? 4 : 16);
	return WASI_ESUCCESS;
}

enum wasi_errno
edge_store(struct call *call, uint32_t at, const struct edge_address *address, uint32_t type_at,
	uint32_t port_at)
{
	const uint32_t bytes = address->family == EDGE_INET4 ? 4 : 16;
	uint64_t size = 0;
	uint8_t *to = buffer_at(call, at, &size);

	if (!to || (type_at && !call_mem(call, type_at, 4)) || (port_at && !call_mem(call, port_at, 4)))
		return WASI_EFAULT;
	if (size >= ADDRESS_LONG) {
		store_word(to, address->family, 2);
		to += 2;
	} else if (size < bytes) {
		return WASI_EINVAL;
	}
	memcpy(to, address->bytes, bytes);
	if (type_at)
		store_word(call_mem(call, type_at, 4), address->family == EDGE_INET4 ? 4 : 6, 4);
	if (port_at)
		store_word(call_mem(call, port_at, 4), address->port, 4);
	return WASI_ESUCCESS;
}

/* --- sock_getaddrinfo ---------------------------------------------------------------------- */

/* struct addrinfo of the guest: flags u16, family u8, type u8, protocol u8 at 4, bytes
 * of the address u32 at 8, address u32 at 12, next u32 at 24. An address: family u8,
 * bytes u32 at 4, where u32 at 8: port (big-endian), then 4 bytes, or 4 zeroes and 16. */
enum { INFO_BYTES = 28, SOCKADDR_BYTES = 12, DATA_BYTES = 26, LOOKUP_MAX = 64,
	INFO_ADDRESS = 12, INFO_NEXT = 24 };

struct lookup {
	struct call *call;
	uint32_t info, type; /* where the next record is; of the hints */
	uint8_t family;      /* of the hints */
	uint32_t count, most;
	uint16_t port;
};

/* One more record; false: memory that is none. What does not fit is left out. */
static bool
lookup_put(struct lookup *lookup, const struct edge_address *address)
{
	struct call *call = lookup->call;
	uint8_t *info, *sockaddr, *data;

	if (lookup->count == lookup->most || (lookup->family && lookup->family != address->family))
		return true;
	info = call_mem(call, lookup->info, INFO_BYTES);
	sockaddr = info ? call_mem(call, load_word(info + INFO_ADDRESS, 4), SOCKADDR_BYTES) : NULL;
	data = sockaddr ? call_mem(call, load_word(sockaddr + 8, 4), DATA_BYTES) : NULL;
	if (!data)
		return false;
	memset(data, 0, DATA_BYTES);
	data[0] = (uint8_t)(lookup->port >> 8);
	data[1] = (uint8_t)lookup->port;
	if (address->family == EDGE_INET4)
		memcpy(data + 2, address->bytes, 4);
	else
		memcpy(data + 6, address->bytes, 16);
	sockaddr[0] = address->family;
	store_word(sockaddr + 4, address->family == EDGE_INET4 ? 14 : DATA_BYTES, 4);
	info[2] = address->family;
	info[3] = (uint8_t)lookup->type;
	info[4] = lookup->type == EDGE_DATAGRAM ? 2 : 1;
	store_word(info + 8, address->family == EDGE_INET4 ? 16 : 28, 4);
	lookup->count++;
	lookup->info = (uint32_t)load_word(info + INFO_NEXT, 4);
	return true;
}

static bool
lookup_all(struct lookup *lookup, const struct device_completion *completion)
{
	const char *at = (const char *)completion->data, *end = at + completion->data_bytes;

	while (at < end) {
		const char *line = memchr(at, '\n', (size_t)(end - at));
		const struct path text = {at, (uint32_t)((line ? line : end) - at)};
		struct edge_address address;

		if (edge_read(text, false, &address) && !lookup_put(lookup, &address))
			return false;
		at = line ? line + 1 : end;
	}
	return true;
}

/* The guest's text without the zero byte that some bindings end it with. */
static bool
text_at(struct call *call, uint32_t at, uint32_t bytes, struct path *ret)
{
	const char *text = (const char *)call_mem(call, at, bytes);

	if (!text || bytes > DEVICE_PATH_MAX)
		return false;
	if (bytes && !text[bytes - 1])
		bytes--;
	*ret = (struct path){text, bytes};
	return bytes == 0 || !memchr(text, 0, bytes);
}

static bool
port_of(struct path service, uint16_t *ret)
{
	struct scan scan = {service.text, service.text + service.bytes};
	uint32_t port = 0;

	if (service.bytes == 4 && !memcmp(service.text, "http", 4))
		port = 80;
	else if (service.bytes == 5 && !memcmp(service.text, "https", 5))
		port = 443;
	else if (service.bytes && (!number(&scan, 10, 65535, &port) || scan.at != scan.end))
		return false;
	*ret = (uint16_t)port;
	return true;
}

static enum call_end
lookup_done(struct call *call, struct lookup *lookup, bool fits)
{
	if (!fits)
		return answer(call, WASI_EFAULT);
	store_word(call_mem(call, arg(call, 7), 4), lookup->count, 4);
	return answer(call, lookup->count ? WASI_ESUCCESS : WASI_ENOENT);
}

/* Each key that may be asked for names is, until one allows this name. */
static enum call_end
lookup_ask(struct call *call, struct wasi *wasi, struct lookup *lookup, struct path name)
{
	for (;;) {
		const int32_t slot = edge_key(wasi, (uint32_t)wasi->words[0],
			1u << KIND_resolver | 1u << KIND_socket);
		const struct key *key = slot < 0 ? NULL : &wasi->domain->slots[slot];
		struct device_request request;

		if (!key)
			return edge_refuse(call, wasi, name, "no key may be asked for this name",
				"--key resolve:");
		if (network_resolve(wasi->state, key, name, &request) == RC_OK) {
			if (!call->completion)
				return call_submit(call, &request);
			const int64_t result = call->completion->result;

			if (result >= 0)
				return lookup_done(call, lookup, lookup_all(lookup, call->completion));
			call_consume(call);
			if (result != -DEVICE_ECAPABILITY)
				return answer(call, errno_of_device(result));
		}
		wasi->words[0] = (uint64_t)slot + 1;
	}
}

enum call_end
edge_sock_getaddrinfo(struct call *call, struct wasi *wasi)
{
	const uint8_t *hints = call_mem(call, arg(call, 4), INFO_BYTES);
	const uint8_t *first = call_mem(call, arg(call, 5), 4);
	struct lookup lookup = {.call = call, .most = (uint32_t)min_u64(arg(call, 6), LOOKUP_MAX)};
	struct edge_address literal;
	struct path node, service;

	if (!hints || !first || !call_mem(call, arg(call, 7), 4) ||
		!text_at(call, arg(call, 0), arg(call, 1), &node) ||
		!text_at(call, arg(call, 2), arg(call, 3), &service))
		return answer(call, WASI_EFAULT);
	if (!lookup.most || !node.bytes || hints[2] > EDGE_INET6 || !port_of(service, &lookup.port))
		return answer(call, WASI_EINVAL);
	if (!charge(call, PRICE_REQUEST + (uint64_t)PRICE_NAME_BYTE * node.bytes))
		return CALL_DRY;
	lookup.info = (uint32_t)load_word(first, 4);
	lookup.family = hints[2];
	lookup.type = hints[3] == EDGE_DATAGRAM ? EDGE_DATAGRAM : EDGE_STREAM;
	if (edge_read(node, false, &literal)) /* no name: nobody need be asked */
		return lookup_done(call, &lookup, lookup_put(&lookup, &literal));
	return lookup_ask(call, wasi, &lookup, node);
}

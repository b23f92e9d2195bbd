/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/broker/rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum { PORT_MAX = 65535, LABEL_MAX = 63 };

static const char *const kinds[] = {[RULE_TCP] = "tcp",
	[RULE_UDP] = "udp",
	[RULE_LISTEN] = "listen",
	[RULE_UNIX] = "unix",
	[RULE_RESOLVE] = "resolve"};

const char *
rule_kind_text(enum rule_kind kind)
{
	return kinds[kind];
}

static int refuse(struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int
refuse(struct report *report, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report_vsay(report, UINT64_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

/* --- names ------------------------------------------------------------------- */

static bool
name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool
rule_name(const char *text, size_t bytes, char ret_name[RULE_NAME_MAX + 1])
{
	char name[RULE_NAME_MAX + 1];
	size_t label = 0;

	if (bytes && text[bytes - 1] == '.')
		bytes--;
	if (bytes == 0 || bytes > RULE_NAME_MAX || address_resembled(text, bytes))
		return false;
	for (size_t i = 0; i < bytes; i++) {
		const char c = text[i];

		name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		label = c == '.' ? 0 : label + 1;
		if (c == '.' ? i == 0 || text[i - 1] == '.'
			     : !name_char(name[i]) || label > LABEL_MAX)
			return false;
	}
	name[bytes] = '\0';
	memcpy(ret_name, name, bytes + 1);
	return true;
}

/* Is it "x.SUFFIX"? */
static bool
below(const char *name, const char *suffix)
{
	const size_t bytes = strlen(name), end = strlen(suffix);

	return bytes > end + 1 && name[bytes - end - 1] == '.' &&
	       !strcmp(name + bytes - end, suffix);
}

bool
rule_is_local(const char *name)
{
	return !strcmp(name, "localhost") || below(name, "localhost");
}

/* --- patterns ------------------------------------------------------------------ */

/* Up to five digits; false: not a number of a port. */
static bool
port_read(const char *text, size_t bytes, uint16_t *ret_port)
{
	uint32_t port = 0;

	if (bytes == 0 || bytes > 5 || (bytes > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (uint32_t)(text[i] - '0');
	}
	*ret_port = (uint16_t)port;
	return port <= PORT_MAX;
}

static int
ports_read(const char *text, struct report *report, struct rule *rule)
{
	const size_t bytes = strlen(text), first = strcspn(text, "-");
	const bool listens = rule->kind == RULE_LISTEN;

	if (!strcmp(text, "*")) {
		if (listens)
			return refuse(report, "one port to listen at; 0 takes any that is free");
		rule->port_first = 1;
		rule->port_last = PORT_MAX;
		return 0;
	}
	if (!port_read(text, first, &rule->port_first))
		return refuse(report, "\"%s\" is no port: write 443%s", text,
			listens ? ", or 0 for any that is free" : ", 8000-8100 or *");
	rule->port_last = rule->port_first;
	if (first == bytes) {
		if (rule->port_first || listens)
			return 0;
		return refuse(report, "nothing can be reached at port 0: write 443, 8000-8100 or *");
	}
	if (listens)
		return refuse(report, "one port to listen at, not a range: give a key for each");
	if (!port_read(text + first + 1, bytes - first - 1, &rule->port_last))
		return refuse(report, "\"%s\" is no port: write 443, 8000-8100 or *",
			text + first + 1);
	if (!rule->port_first)
		return refuse(report, "nothing can be reached at port 0: begin at 1");
	if (rule->port_first > rule->port_last)
		return refuse(report, "the ports %s are none: write the smaller first", text);
	return 0;
}

/* "/8": the prefix's length; what is not a range of its own is a slip. */
static int
length_read(const char *text, size_t bytes, struct report *report, struct rule *rule)
{
	const uint8_t most = address_bits(&rule->address);
	char right[ADDRESS_TEXT_MAX];
	struct address range = rule->address;
	uint16_t length;

	if (!port_read(text, bytes, &length) || length > most)
		return refuse(report, "\"/%.*s\" is no length of a prefix: 0 to %u", (int)bytes, text,
			most);
	rule->length = (uint8_t)length;
	if (address_is_range(&rule->address, rule->length))
		return 0;
	for (unsigned bit = length; bit < most; bit++)
		range.bytes[bit / 8] &= (uint8_t)~(0x80u >> bit % 8);
	address_say(&range, -1, right, sizeof right);
	return refuse(report, "a range begins at its first address: write %s/%u", right, length);
}

/* An address, with or without a prefix length. False: it does not look like one. */
static bool
range_read(const char *text, size_t bytes, struct report *report, struct rule *rule, int *ret_error)
{
	const char *slash = memchr(text, '/', bytes);
	const size_t head = slash ? (size_t)(slash - text) : bytes;
	char right[ADDRESS_TEXT_MAX];

	*ret_error = 0;
	if (memchr(text, '%', bytes) && memchr(text, ':', bytes)) {
		*ret_error = refuse(report, "an address with a zone (%%) names an interface: leave it out");
		return true;
	}
	if (!address_read(text, head, &rule->address)) {
		if (!slash && !address_resembled(text, bytes) && !memchr(text, ':', bytes))
			return false;
		*ret_error = refuse(report, "\"%.*s\" is no address: write 192.0.2.1, 10.0.0.0/8, "
					    "[2001:db8::1] or [2001:db8::/32]",
			(int)bytes, text);
		return true;
	}
	rule->host = RULE_RANGE;
	rule->length = address_bits(&rule->address);
	if (!rule->address.six && memchr(text, ':', head)) {
		address_say(&rule->address, -1, right, sizeof right);
		*ret_error = refuse(report, "an IPv4 address in an IPv6 one is the IPv4 address: write %s",
			right);
	} else if (slash) {
		*ret_error = length_read(slash + 1, bytes - head - 1, report, rule);
	}
	return true;
}

static int
name_read(const char *text, size_t bytes, struct report *report, struct rule *rule)
{
	const bool any = bytes > 2 && text[0] == '*' && text[1] == '.';

	rule->host = any ? RULE_BELOW : RULE_NAME;
	if (rule_name(any ? text + 2 : text, any ? bytes - 2 : bytes, rule->name))
		return 0;
	if (memchr(text, '*', bytes))
		return refuse(report, "a star stands for whole names in front: *.example.com, or * for all");
	return refuse(report, "\"%.*s\" is no name: letters, digits, '-', '_' and dots "
			      "(write others as xn--..)",
		(int)(bytes > 80 ? 80 : bytes), text);
}

static int
host_read(const char *text, size_t bytes, struct report *report, struct rule *rule)
{
	int error;

	if (bytes == 0)
		return refuse(report, "no host before the port: write a name, an address, or * for all");
	if (bytes == 1 && text[0] == '*') {
		rule->host = RULE_ANY;
		return 0;
	}
	if (text[0] == '[') {
		if (text[bytes - 1] != ']' || !memchr(text, ':', bytes))
			return refuse(report, "brackets go round an IPv6 address: [2001:db8::1]:443");
		(void)range_read(text + 1, bytes - 2, report, rule, &error);
		return error;
	}
	if (range_read(text, bytes, report, rule, &error))
		return error;
	return name_read(text, bytes, report, rule);
}

/* Literal metadata addresses are refused at once: no key reaches them. */
static int
metadata_check(const struct rule *rule, struct report *report)
{
	const struct address_special special = address_special(&rule->address);
	char text[ADDRESS_TEXT_MAX];

	if (rule->host != RULE_RANGE || special.class != ADDRESS_METADATA ||
		rule->length < special.length)
		return 0;
	address_say(&rule->address, -1, text, sizeof text);
	return refuse(report, "%s is %s, which no key opens: it would hand out the machine's own credentials",
		text, special.words);
}

static int
listen_check(struct rule *rule, struct report *report)
{
	if (rule->host == RULE_NAME && !strcmp(rule->name, "localhost")) {
		(void)address_read("127.0.0.1", 9, &rule->address);
		rule->host = RULE_RANGE;
		rule->length = 32;
		rule->name[0] = '\0';
	}
	if (rule->host == RULE_ANY ||
		(rule->host == RULE_RANGE && rule->length == address_bits(&rule->address)))
		return 0;
	if (rule->host == RULE_RANGE)
		return refuse(report, "one address to listen at, not a range: 127.0.0.1, or * for all");
	return refuse(report, "\"%s\" is a name: write the address to listen at, 127.0.0.1, [::1], or * for all",
		rule->name);
}

static int
path_read(const char *text, struct report *report, struct rule *rule)
{
	const size_t most = sizeof ((struct sockaddr_un *)NULL)->sun_path - 1;

	rule->host = RULE_PATH;
	if (strlen(text) > most)
		return refuse(report, "the path of a socket has at most %u bytes, this one %u: use a shorter one, "
				      "or a relative one",
			(unsigned)most, (unsigned)strlen(text));
	(void)strcpy(rule->name, text);
	return 0;
}

/* Where the port begins: behind the last colon, if that is not an IPv6 address's. */
static int
split(enum rule_kind kind, const char *text, struct report *report, size_t *ret_host)
{
	const char *colon = strrchr(text, ':');
	const char *end = text[0] == '[' ? strchr(text, ']') : NULL;

	if (strstr(text, "://"))
		return refuse(report, "not a URL: write %s:HOST:PORT", kinds[kind]);
	if (text[0] == '[' && !end)
		return refuse(report, "brackets go round an IPv6 address: [2001:db8::1]:443");
	if (!colon && text[0] && strspn(text, "0123456789") == strlen(text))
		return refuse(report, "a port alone: write %s:%s:%s", kinds[kind],
			kind == RULE_LISTEN ? "127.0.0.1" : "HOST", text);
	if (!colon || (end && colon < end))
		return refuse(report, "no port: write %s:%s:%s", kinds[kind], text,
			kind == RULE_LISTEN ? "8080" : kind == RULE_UDP ? "53" : "443");
	if (end && colon != end + 1)
		return refuse(report, "\"%s\" stands between the address and its port: [2001:db8::1]:443",
			end + 1);
	if (!end && memchr(text, ':', (size_t)(colon - text)))
		return refuse(report, "an IPv6 address stands in brackets: %s:[2001:db8::1]:443",
			kinds[kind]);
	*ret_host = (size_t)(colon - text);
	return 0;
}

int
rule_read(enum rule_kind kind, const char *text, struct report *report, struct rule *ret_rule)
{
	struct rule rule = {.kind = kind};
	size_t host = strlen(text);
	int error = 0;

	for (const char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 127)
			return refuse(report, "a control character in an address");
	if (kind == RULE_UNIX) {
		error = path_read(text, report, &rule);
	} else if (kind == RULE_RESOLVE) {
		if (strchr(text, ':'))
			return refuse(report, "a name alone, without a port or address: resolve:example.com");
		error = host_read(text, host, report, &rule);
		if (!error && rule.host == RULE_RANGE)
			return refuse(report, "\"%s\" is an address and needs no resolving", text);
	} else {
		error = split(kind, text, report, &host);
		if (!error)
			error = host_read(text, host, report, &rule);
		if (!error)
			error = ports_read(text + host + 1, report, &rule);
		if (!error && kind == RULE_LISTEN)
			error = listen_check(&rule, report);
		else if (!error)
			error = metadata_check(&rule, report);
	}
	if (!error)
		*ret_rule = rule;
	return error;
}

static void
host_say(const struct rule *rule, char *to, size_t to_bytes)
{
	char text[ADDRESS_TEXT_MAX], range[ADDRESS_TEXT_MAX + 8];

	switch (rule->host) {
	case RULE_ANY:
		(void)snprintf(to, to_bytes, "*");
		return;
	case RULE_BELOW:
		(void)snprintf(to, to_bytes, "*.%s", rule->name);
		return;
	case RULE_NAME:
	case RULE_PATH:
		(void)snprintf(to, to_bytes, "%s", rule->name);
		return;
	case RULE_RANGE:
		address_say(&rule->address, -1, text, sizeof text);
		if (rule->length < address_bits(&rule->address))
			(void)snprintf(range, sizeof range, "%s/%u", text, rule->length);
		else
			(void)snprintf(range, sizeof range, "%s", text);
		(void)snprintf(to, to_bytes, rule->address.six ? "[%s]" : "%s", range);
	}
}

void
rule_say(const struct rule *rule, char to[RULE_TEXT_MAX])
{
	char host[RULE_NAME_MAX + 4];

	host_say(rule, host, sizeof host);
	if (rule->kind == RULE_UNIX || rule->kind == RULE_RESOLVE)
		(void)snprintf(to, RULE_TEXT_MAX, "%s", host);
	else if (rule->port_first == 1 && rule->port_last == PORT_MAX)
		(void)snprintf(to, RULE_TEXT_MAX, "%s:*", host);
	else if (rule->port_first == rule->port_last)
		(void)snprintf(to, RULE_TEXT_MAX, "%s:%u", host, rule->port_first);
	else
		(void)snprintf(to, RULE_TEXT_MAX, "%s:%u-%u", host, rule->port_first,
			rule->port_last);
}

/* --- what is asked for ------------------------------------------------------------ */

static bool
only_one(const struct rule *rule, struct rule_target *ret_target)
{
	struct rule_target target = {.is_name = rule->host == RULE_NAME,
		.address = rule->address,
		.port = rule->port_first};

	if (rule->port_first != rule->port_last ||
		!(rule->host == RULE_NAME ||
			(rule->host == RULE_RANGE && rule->length == address_bits(&rule->address))))
		return false;
	(void)strcpy(target.name, rule->name);
	*ret_target = target;
	return true;
}

bool
rule_target(const struct rule *rule, const char *text, struct rule_target *ret_target)
{
	struct rule_target target = {0};
	size_t host = strlen(text);
	const char *colon = strrchr(text, ':');

	if (!text[0])
		return only_one(rule, ret_target);
	if (rule->kind != RULE_RESOLVE) {
		if (!colon || !port_read(colon + 1, strlen(colon + 1), &target.port) || !target.port)
			return false;
		host = (size_t)(colon - text);
	}
	if (host > 2 && text[0] == '[' && text[host - 1] == ']') {
		if (!memchr(text, ':', host) || !address_read(text + 1, host - 2, &target.address))
			return false;
	} else if (memchr(text, ':', host)) {
		return false;
	} else if (!address_read(text, host, &target.address)) {
		target.is_name = true;
		if (!rule_name(text, host, target.name))
			return false;
	}
	*ret_target = target;
	return true;
}

bool
rule_allows_name(const struct rule *rule, const char *name)
{
	switch (rule->host) {
	case RULE_ANY:
		return true;
	case RULE_NAME:
		return !strcmp(rule->name, name);
	case RULE_BELOW:
		return below(name, rule->name);
	case RULE_RANGE:
	case RULE_PATH:
		break;
	}
	return false;
}

bool
rule_allows_port(const struct rule *rule, uint16_t port)
{
	return port >= rule->port_first && port <= rule->port_last;
}

bool
rule_holds(const struct rule *rule, const struct address *address)
{
	return rule->host == RULE_ANY ||
	       (rule->host == RULE_RANGE &&
		       address_within(address, &rule->address, rule->length));
}

bool
rule_names(const struct rule *rule, const struct address_special *special)
{
	if (rule->host == RULE_NAME || rule->host == RULE_BELOW)
		return special->class == ADDRESS_LOOPBACK && rule_is_local(rule->name);
	return rule->host == RULE_RANGE && rule->length >= special->length &&
	       address_within(&rule->address, &special->within, special->length);
}

static bool
host_narrower(const struct rule *inner, const struct rule *outer)
{
	switch (outer->host) {
	case RULE_ANY:
		/* A range could name what a star does not: loopback, a private network. */
		return inner->host != RULE_PATH &&
		       (inner->host != RULE_RANGE || !address_special(&inner->address).words) &&
		       !((inner->host == RULE_NAME || inner->host == RULE_BELOW) &&
			       rule_is_local(inner->name));
	case RULE_NAME:
		return inner->host == RULE_NAME && !strcmp(inner->name, outer->name);
	case RULE_BELOW:
		return (inner->host == RULE_NAME || inner->host == RULE_BELOW) &&
		       (below(inner->name, outer->name) ||
			       (inner->host == RULE_BELOW && !strcmp(inner->name, outer->name)));
	case RULE_RANGE:
		if (inner->host != RULE_RANGE || inner->length < outer->length ||
			!address_within(&inner->address, &outer->address, outer->length))
			return false;
		{
			const struct address_special special = address_special(&inner->address);

			return !special.words || rule_names(outer, &special);
		}
	case RULE_PATH:
		return inner->host == RULE_PATH && !strcmp(inner->name, outer->name);
	}
	return false;
}

bool
rule_narrower(const struct rule *inner, const struct rule *outer)
{
	return inner->kind == outer->kind && inner->port_first >= outer->port_first &&
	       inner->port_last <= outer->port_last && host_narrower(inner, outer);
}

bool
rule_needs_names(const struct rule *rule)
{
	return rule->kind != RULE_LISTEN && rule->kind != RULE_UNIX && rule->host != RULE_RANGE;
}

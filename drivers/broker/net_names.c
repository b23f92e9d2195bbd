/* SPDX-License-Identifier: Apache-2.0 */
/* net_names.c - the addresses of a name: pins, this machine's own name, then
 * c-ares (the hosts file, name servers).
 *
 * What c-ares answers is believed to be an answer, not to be harmless: each
 * address still goes through net_check(). No search list: "api" is "api" and
 * never "api.corp.example", since it was the name that a key allowed. */
#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include "drivers/broker/net.h"

enum { QUERY_MS = 2000, QUERY_TRIES = 3 };

/* What c-ares gives back: a dial's place, and which dial it was. */
struct query {
	struct net *net;
	uint32_t index, generation;
};

bool
names_pinned(const struct net *net, const char *name, const struct address *address)
{
	for (uint32_t i = 0; i < net->pins_count; i++)
		if (!strcmp(net->pins[i].name, name) &&
			address_equal(&net->pins[i].address, address))
			return true;
	return false;
}

void
names_saw(struct net *net, const char *name, const struct address *address)
{
	struct seen *seen;

	for (uint32_t i = 0; i < NET_SEEN && i < net->seen_put; i++)
		if (address_equal(&net->seen[i].address, address) &&
			!strcmp(net->seen[i].name, name))
			return;
	seen = &net->seen[net->seen_put++ % NET_SEEN];
	(void)snprintf(seen->name, sizeof seen->name, "%s", name);
	seen->address = *address;
}

/* c-ares asks for services' ports and names where it is given one; we give it none. The
 * C library's own would, in a static program, load modules of whatever C library this
 * machine has. These are linked in their place: nothing is loaded. */
struct servent *
getservbyname(const char *name, const char *protocol)
{
	(void)name;
	(void)protocol;
	return NULL;
}

int
getservbyport_r(int port, const char *restrict protocol, struct servent *restrict entry,
	char *restrict text, size_t bytes, struct servent **restrict ret_entry)
{
	(void)port;
	(void)protocol;
	(void)entry;
	(void)text;
	(void)bytes;
	*ret_entry = NULL;
	return ENOENT;
}

/* --- c-ares ---------------------------------------------------------------------------- */

static void
socket_state(void *user, ares_socket_t fd, int readable, int writable)
{
	struct net *net = user;
	struct epoll_event event = {
		.events = (readable ? (uint32_t)EPOLLIN : 0u) | (writable ? (uint32_t)EPOLLOUT : 0u),
		.data.u64 = NET_EVENT_NAMES | (uint32_t)fd};

	if (!event.events)
		(void)epoll_ctl(net->events, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(net->events, EPOLL_CTL_MOD, fd, &event) < 0)
		(void)epoll_ctl(net->events, EPOLL_CTL_ADD, fd, &event);
}

int
names_begin(struct net *net)
{
	struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = QUERY_MS,
		.tries = QUERY_TRIES,
		.sock_state_cb = socket_state,
		.sock_state_cb_data = net};
	char lookups[] = "fb";

	if (net->names)
		return 0;
	options.lookups = lookups;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		return -ENOMEM;
	if (ares_init_options(&net->names, &options,
		    ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
			    ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS) {
		net->names = NULL;
		ares_library_cleanup();
		return -ENOMEM;
	}
	if (net->servers[0] && ares_set_servers_ports_csv(net->names, net->servers) != ARES_SUCCESS) {
		names_end(net);
		return -EINVAL;
	}
	return 0;
}

void
names_end(struct net *net)
{
	if (!net->names)
		return;
	ares_destroy(net->names); /* calls back for each query */
	ares_library_cleanup();
	net->names = NULL;
}

static uint32_t
addresses_of(const struct ares_addrinfo *info, struct address out[NET_ADDRESSES])
{
	uint32_t count = 0;

	for (const struct ares_addrinfo_node *node = info->nodes; node && count < NET_ADDRESSES;
		node = node->ai_next) {
		struct sockaddr_storage sock = {0};
		uint16_t port;

		if (node->ai_addrlen > sizeof sock)
			continue;
		memcpy(&sock, node->ai_addr, node->ai_addrlen);
		if (address_of_sock(&sock, &out[count], &port))
			count++;
	}
	return count;
}

static void
answered(void *user, int status, int timeouts, struct ares_addrinfo *info)
{
	const struct query query = *(struct query *)user;
	struct dial *dial = &query.net->dials[query.index];
	struct address addresses[NET_ADDRESSES];
	uint32_t count = 0;

	(void)timeouts;
	free(user);
	query.net->queries--;
	if (info) {
		count = addresses_of(info, addresses);
		ares_freeaddrinfo(info);
	}
	if (dial->state != DIAL_RESOLVING || dial->generation != query.generation)
		return; /* nobody waits for it any more */
	if (count)
		dial_resolved(query.net, dial, addresses, count, DEVICE_OK, NULL);
	else if (status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED)
		dial_resolved(query.net, dial, NULL, 0, DEVICE_ETIMEDOUT, "no name server answers");
	else
		dial_resolved(query.net, dial, NULL, 0, DEVICE_ENONAME, "the name has no address");
}

void
names_ask(struct net *net, struct dial *dial)
{
	const struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct address addresses[NET_ADDRESSES];
	struct query *query;
	uint32_t count = 0;

	for (uint32_t i = 0; i < net->pins_count && count < NET_ADDRESSES; i++)
		if (!strcmp(net->pins[i].name, dial->target.name))
			addresses[count++] = net->pins[i].address;
	if (!count && rule_is_local(dial->target.name)) { /* RFC 6761: never asked for */
		(void)address_read("127.0.0.1", 9, &addresses[count++]);
		(void)address_read("::1", 3, &addresses[count++]);
	}
	if (count) {
		dial_resolved(net, dial, addresses, count, DEVICE_OK, NULL);
		return;
	}
	query = net->names && net->queries < NET_QUERIES ? malloc(sizeof *query) : NULL;
	if (!query) {
		dial_resolved(net, dial, NULL, 0, DEVICE_EAGAIN, "too many names are being asked for");
		return;
	}
	*query = (struct query){net, (uint32_t)(dial - net->dials), dial->generation};
	net->queries++;
	ares_getaddrinfo(net->names, dial->target.name, NULL, &hints, answered, query);
}

void
names_event(struct net *net, uint64_t data, uint32_t events)
{
	const ares_socket_t fd = (ares_socket_t)(uint32_t)data;
	const bool bad = events & (EPOLLERR | EPOLLHUP);

	ares_process_fd(net->names, events & EPOLLIN || bad ? fd : ARES_SOCKET_BAD,
		events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
}

void
names_turn(struct net *net)
{
	if (net->queries)
		ares_process_fd(net->names, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

uint64_t
names_next_ns(const struct net *net)
{
	struct timeval left;

	if (!net->queries || !ares_timeout(net->names, NULL, &left))
		return UINT64_MAX;
	return broker_now_ns() + (uint64_t)left.tv_sec * 1000000000u + (uint64_t)left.tv_usec * 1000u;
}

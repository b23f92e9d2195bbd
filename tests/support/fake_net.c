/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t
network(struct fake_device *fake, enum fake_net_kind kind, const char *text)
{
	const uint32_t handle = fake_grant(fake, 0, 0);

	fake->handles[handle].net = kind;
	(void)snprintf(fake->handles[handle].text, sizeof fake->handles[handle].text, "%s", text);
	return handle;
}

uint32_t
fake_rule(struct fake_device *fake, const char *allows)
{
	return network(fake, FAKE_RULE, allows);
}

uint32_t
fake_listener(struct fake_device *fake, const char *address)
{
	return network(fake, FAKE_LISTENER, address);
}

uint32_t
fake_resolver(struct fake_device *fake, const char *names)
{
	return network(fake, FAKE_RESOLVER, names);
}

void
fake_call(struct fake_device *fake, uint32_t listener)
{
	fake->handles[listener].callers++;
}

/* Is it one of the words? */
static bool
allows(const char *text, const char *what, uint32_t bytes)
{
	while (*text) {
		const size_t word = strcspn(text, " ");

		if (word == bytes && !memcmp(text, what, bytes))
			return true;
		text += word + (text[word] == ' ');
	}
	return false;
}

static int64_t
say(const char *text, uint8_t **ret_data, uint32_t *ret_bytes)
{
	*ret_bytes = (uint32_t)strlen(text);
	*ret_data = (uint8_t *)strdup(text);
	if (!*ret_data)
		abort();
	return 0;
}

static int64_t
refused(const char *why, uint8_t **ret_data, uint32_t *ret_bytes)
{
	(void)say(why, ret_data, ret_bytes);
	return -DEVICE_ECAPABILITY;
}

static int64_t
connection(struct fake_device *fake, const char *peer, uint8_t **ret_data, uint32_t *ret_bytes)
{
	const uint32_t handle = fake_stream(fake, NULL, 0);

	fake->handles[handle].net = FAKE_CONNECTION;
	(void)snprintf(fake->handles[handle].text, sizeof fake->handles[handle].text, "%s", peer);
	fake->connected = handle;
	(void)say(peer, ret_data, ret_bytes);
	return handle;
}

static int64_t
connect_to(struct fake_device *fake, const struct device_request *request,
	const struct fake_handle *handle, uint8_t **ret_data, uint32_t *ret_bytes)
{
	char peer[sizeof handle->text];

	if (!request->path_bytes)
		return !*handle->text            ? refused("it is private", ret_data, ret_bytes)
			: strchr(handle->text, ' ') ? -DEVICE_EINVAL
						  : connection(fake, handle->text, ret_data, ret_bytes);
	if (!allows(handle->text, request->path, request->path_bytes))
		return -DEVICE_ECAPABILITY;
	(void)snprintf(peer, sizeof peer, "%.*s", (int)request->path_bytes, request->path);
	return connection(fake, peer, ret_data, ret_bytes);
}

int64_t
fake_net(struct fake_device *fake, const struct device_request *request, struct fake_handle *handle,
	uint8_t **ret_data, uint32_t *ret_bytes)
{
	char text[sizeof handle->text];

	switch (request->op) {
	case DEVICE_CONNECT:
		return handle->net == FAKE_RULE ? connect_to(fake, request, handle, ret_data, ret_bytes)
						: -DEVICE_EINVAL;
	case DEVICE_ACCEPT:
		if (handle->net != FAKE_LISTENER)
			return -DEVICE_EINVAL;
		if (!handle->callers)
			return -DEVICE_EAGAIN; /* only with DEVICE_NONBLOCK: else it still waits */
		handle->callers--;
		return connection(fake, "192.0.2.9:1000", ret_data, ret_bytes);
	case DEVICE_RESOLVE:
		if (!allows(handle->text, request->path, request->path_bytes))
			return -DEVICE_ECAPABILITY;
		(void)say("192.0.2.1\n2001:db8::1\n", ret_data, ret_bytes);
		return 2;
	case DEVICE_ADDRESS:
		return say(handle->net == FAKE_LISTENER || request->flags & DEVICE_PEER
				   ? handle->text
				   : "192.0.2.200:4000",
			ret_data, ret_bytes);
	case DEVICE_NARROW:
		if (!allows(handle->text, request->path, request->path_bytes))
			return -DEVICE_ECAPABILITY;
		(void)snprintf(text, sizeof text, "%.*s", (int)request->path_bytes, request->path);
		return fake_rule(fake, text);
	case DEVICE_SHUTDOWN:
		if (handle->net != FAKE_CONNECTION)
			return -DEVICE_ENOTCONN;
		handle->closed_in |= request->flags & DEVICE_SHUT_READ;
		handle->broken |= request->flags & DEVICE_SHUT_WRITE;
		return 0;
	default:
		return -DEVICE_ENOTSUP;
	}
}

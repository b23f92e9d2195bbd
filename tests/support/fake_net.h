/* SPDX-License-Identifier: Apache-2.0 */
/* fake_net.h - networks of the device in memory: address rules, listeners,
 * resolvers, and the connections that come of them (which are streams).
 *
 * A rule allows the words of its text, exactly. Who connects to a listener is
 * counted, and gets a stream when it is accepted.
 *
 * Use      rule = fake_rule(&fake, "192.0.2.1:80 192.0.2.2:80");
 *          listener = fake_listener(&fake, "127.0.0.1:8080"); fake_call(&fake, listener);
 *          fake_stream_feed(&fake, fake.connected, "hello", 5); */
#pragma once

#include "tests/support/fake_device.h"

uint32_t fake_rule(struct fake_device *fake, const char *allows);
uint32_t fake_listener(struct fake_device *fake, const char *address);
uint32_t fake_resolver(struct fake_device *fake, const char *names);
void fake_call(struct fake_device *fake, uint32_t listener); /* somebody connects */

/* For fake_device.c. */
int64_t fake_net(struct fake_device *fake, const struct device_request *request,
	struct fake_handle *handle, uint8_t **ret_data, uint32_t *ret_bytes);

/* SPDX-License-Identifier: Apache-2.0 */
/* order_device.h - what orders on device keys share. */
#pragma once

#include "caps/orders.h"
#include "caps/wasi.h"

struct caps_state *device_state(struct invocation *inv);
/* What an image only named is open again, or the order will say why not. false:
 * return *ret_end. */
bool device_ready(struct invocation *inv, enum order_end *ret_end);
/* Sends the request under the invoked key. */
enum order_end device_ask(struct invocation *inv, struct device_request *request, uint64_t copied);
/* The same where the order names something of so many bytes, which is charged first. */
bool device_ready_for(struct invocation *inv, uint32_t name_bytes, enum order_end *ret_end);
/* The device's answer to the request that `rc` came with is there. false: return
 * *ret_end; it is on its way, or was refused. */
bool device_came(struct invocation *inv, enum rc rc, struct device_request *request,
	enum order_end *ret_end);
/* The same, for an order that asks once and answers nothing more. */
enum order_end device_done(struct invocation *inv, enum rc rc, struct device_request *request);
/* The answer to a device's error: RC_OUTSIDE, and its number in word 0. */
enum order_end device_refused(struct invocation *inv, int64_t result);
/* Of the root key that the invoked one comes from. */
struct caps_counts *device_counts(struct invocation *inv);
enum order_end device_close(struct invocation *inv);

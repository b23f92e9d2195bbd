/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.h - orders and answers by name, for tests of orders: ORDER_node_get,
 * RC_OK. The numbers come from the tables themselves. */
#pragma once

#include <stdint.h>

enum rc_number {
#define RC(name, number, text) SAYS_##name = (number),
#include "caps/rc.def"
#undef RC
};

#define ORDER(kind, name, number, rights, gas, in, out, what)                                  \
	static const uint32_t DO_##kind##_##name __attribute__((unused)) = (number);
#include "caps/orders.def"
#undef ORDER

static const uint32_t NO_SUCH_ORDER __attribute__((unused)) = 0x12345678;

/* SPDX-License-Identifier: Apache-2.0 */
/* kind_number.c - a number as a key: data that can lie where keys lie. */
#include "caps/orders.h"

enum order_end
order_number_get(struct invocation *inv)
{
	return answer_word(inv, inv->key.badge);
}

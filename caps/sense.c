/* SPDX-License-Identifier: Apache-2.0 */
#include "caps/sense.h"

struct key
key_sensed(const struct key *key)
{
	struct key sensed = *key;

	switch ((enum kind_id)key->kind) {
	case KIND_number:
		return sensed;
	case KIND_node:
		sensed.flags |= KEY_SENSE;
		sensed.rights &= RIGHT_read;
		return sensed;
	case KIND_segment:
	case KIND_module:
		sensed.rights &= RIGHT_read;
		return sensed;
	default:
		return (struct key){0};
	}
}

bool
key_is_discreet(const struct key *key)
{
	const bool writes = key->rights & ~(uint32_t)RIGHT_read;

	switch ((enum kind_id)key->kind) {
	case KIND_void:
	case KIND_number:
		return true;
	case KIND_node:
		return key->flags & KEY_SENSE && !writes;
	case KIND_segment:
	case KIND_module:
		return !writes;
	default:
		return false;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* image.h - what image.c (writing) and image_read.c agree on; docs/image-format.md
 * has the byte offsets. For kernel/ only.
 *
 *   +--------+-----------------+---------+---------+-----+-------+--------+
 *   | header | modules by hash | domain  | domain  | ... | ready | hash   |
 *   | 64     | sorted, once    | the top | below   |     | queue | 32     |
 *   +--------+-----------------+---------+---------+-----+-------+--------+
 *
 * IMAGE1   write(read(write(x))) == write(x).
 * IMAGE2   what a restored domain holds of its bank is what the image says. */
#pragma once

#include <stdint.h>

enum {
	IMAGE_VERSION = 1,
	IMAGE_ENGINE_VERSION = 1, /* limits and weights of kernel/wasm */
	IMAGE_HEADER_BYTES = 64,
	IMAGE_HASH_BYTES = 32,
	IMAGE_MODULE_MIN = 40,  /* the least bytes one of each can have: a count is */
	IMAGE_DOMAIN_MIN = 200, /* bounded by what is left before anything is made of it */
	IMAGE_SLOT_MIN = 12,
};

enum image_flag { IMAGE_THIN = 1 << 0 };

enum image_domain_flag {
	IMAGE_STOP_WHEN_DRY = 1 << 0,
	IMAGE_HAS_ENTRY = 1 << 1,
	IMAGE_ENTERED = 1 << 2,
	IMAGE_UNLIMITED = 1 << 3,
	IMAGE_KEEPER = 1 << 4,
	IMAGE_PERSONALITY = 1 << 5,
	IMAGE_DOMAIN_FLAGS = (1 << 6) - 1,
};

enum { IMAGE_NO_PARENT = UINT32_MAX };

static const uint8_t image_magic[8] = {'K', 'E', 'Y', 'H', 'I', 'M', 'G', '\n'};

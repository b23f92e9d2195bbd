/* SPDX-License-Identifier: Apache-2.0 */
/* wat.h - a module's bytes from its text, by wabt's wat2wasm; aborts when the
 * text is wrong: then the test is. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct wat {
	uint8_t *bytes; /* malloc */
	size_t count;
};

struct wat wat_bytes(const char *text); /* kept for good */
/* A whole file; bytes NULL when it cannot be read. */
struct wat file_bytes(const char *path);

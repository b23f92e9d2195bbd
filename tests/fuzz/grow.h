/* SPDX-License-Identifier: Apache-2.0 */
/* grow.h - a valid module grown from any bytes.
 *
 * Each byte is a decision; when they run out, the simplest is taken, so the
 * program ends. What is grown has all instructions of ops.def, blocks with
 * values, branches that drop and carry operands, calls of all sorts, bulk work
 * and try/throw; it always validates, and often runs a while. */
#pragma once

#include "tests/support/wasm_bytes.h"

void grow_module(struct wasm_bytes *w, const uint8_t *dice, size_t count);

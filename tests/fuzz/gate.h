/* SPDX-License-Identifier: Apache-2.0 */
/* gate.h - random orders from random guests: bytes become what four puppets do. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Aborts when the world is not in order after a step. */
void gate_run(const uint8_t *bytes, size_t count);
/* The same, and the tree of the first actor as it then stands as an image. NULL: none. */
struct sink;
void gate_image(const uint8_t *bytes, size_t count, struct sink *to);

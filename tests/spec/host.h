/* SPDX-License-Identifier: Apache-2.0 */
/* host.h - the module `spectest` that the core scripts import (spec test/core/README). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/wasm/engine.h"

struct spectest {
	uint32_t memory, table, globals[4]; /* indices in the store */
};

/* Puts its objects into the store; false: no memory. */
bool spectest_open(struct spectest *host, struct store *store);
/* What it exports under this name: -ENOENT, or -EINVAL for a function of another type. */
int spectest_bind(const struct spectest *host, const struct import *import,
	const struct functype *type, struct binding *ret_binding);

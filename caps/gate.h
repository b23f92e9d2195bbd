/* SPDX-License-Identifier: Apache-2.0 */
/* gate.h - the imports of module `keyhold`. */
#pragma once

#include "kernel/world.h"

extern const struct import_def gate_imports[]; /* ends with a NULL name */

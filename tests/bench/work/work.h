/* SPDX-License-Identifier: Apache-2.0 */
/* work.h - what every workload is: run(count) does it `count` times over and
 * answers with a checksum that is the same everywhere. Nothing is asked of the
 * platform; each is built natively (RUN names its function) and for wasm32. */
#pragma once

#include <stdint.h>

#ifdef RUN
#define run RUN
#endif

uint64_t run(uint32_t count);

/* SPDX-License-Identifier: Apache-2.0 */
/* ring_worker.h - the worker's drivers over a broker in the same process, with one
 * file granted for reading. Words on stderr, exit 1. */
#pragma once

#include <stdint.h>

#include "kernel/device.h"

struct device *ring_worker_open(int file_fd, uint32_t *ret_handle, unsigned *ret_setup_flags);
void ring_worker_close(void);

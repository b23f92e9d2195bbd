/* SPDX-License-Identifier: Apache-2.0 */
/* errors.h - Linux's errno as the seam's device_error. */
#pragma once

#include "kernel/device.h"

/* `number` is positive. What has no row is DEVICE_EIO. */
enum device_error device_error_of(int number);

/* SPDX-License-Identifier: Apache-2.0 */
/* filter_pid.h - stands for the worker's process id in the filter until it is
 * loaded. Larger than any process id (they end at 2^22) and than any constant
 * of syscalls.def. */
#pragma once

enum { FILTER_OWN_PID = 0x4b48504d };

/* SPDX-License-Identifier: Apache-2.0 */
/* filter_pid.h - stand in a filter, until it is loaded, for what is not known
 * before: the process that loads it, the broker's worker, a descriptor. Larger
 * than any process id (they end at 2^22) and than any constant of the tables. */
#pragma once

enum {
	FILTER_OWN_PID = 0x4b48504d,
	FILTER_WORKER_PID = 0x4b485057,
	FILTER_KEEP_FD = 0x4b48464b, /* a descriptor: the broker's keep ring */
};

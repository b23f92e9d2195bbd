/* SPDX-License-Identifier: Apache-2.0 */
/* filter_pid.h - stand for process ids in a filter until it is loaded: the one
 * that loads it, and the broker's worker. Larger than any process id (they end at
 * 2^22) and than any constant of the tables. */
#pragma once

enum {
	FILTER_OWN_PID = 0x4b48504d,
	FILTER_WORKER_PID = 0x4b485057,
	FILTER_KEEP_FD = 0x4b48464b, /* a descriptor: the broker's keep ring */
};

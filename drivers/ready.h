/* SPDX-License-Identifier: Apache-2.0 */
/* ready.h - the bits of a device_poll, and what poll() calls them. */
#pragma once

#include <poll.h>
#include <stdint.h>

enum { READY_READ = 1, READY_WRITE = 2, READY_ERROR = 4, READY_HANGUP = 8 };

static inline uint8_t
ready_of(int32_t events)
{
	return (uint8_t)((events & POLLIN ? READY_READ : 0) | (events & POLLOUT ? READY_WRITE : 0) |
			 (events & (POLLERR | POLLNVAL) ? READY_ERROR : 0) |
			 (events & POLLHUP ? READY_HANGUP : 0));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* walls_internal.h - one function per wall, for enter.c alone.
 *
 * Each raises its wall, tries what must now fail, and only then says up. Raw
 * facts about the kernel (layouts that Debian's headers do not have yet) are
 * beside their use.
 *
 * Errors   0 or -errno, with the wall's name in the report. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/walls.h"

enum walls_namespace { NS_USER, NS_PID, NS_MNT, NS_NET, NS_IPC, NS_UTS, NS_CGROUP };
extern const char *const walls_namespace_names[WALLS_NAMESPACES];
uint64_t walls_namespace_number(unsigned int which);

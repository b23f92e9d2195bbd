/* SPDX-License-Identifier: Apache-2.0 */
/* zlib_past.h - a fault in zlib, by a flag of its build (-include this): what inflate()
 * keeps of the extra field in a gzip header is bounded by the length that the file
 * claims, no longer by the room that its caller has. The same field and the same kind
 * of fault as CVE-2022-37434. */
#pragma once

#include "zlib.h"

/* The struct is declared by now, so this changes who reads it. */
#define extra_max extra_len

/* SPDX-License-Identifier: Apache-2.0 */
/* files.h - sources from files, for those who call the compiler. */
#pragma once

#include "tools/entish/entish.h"

/* The file's bytes, or why not in errno; to be freed. At most a source's limit and
 * one more, which the compiler then refuses. */
struct entish_text entish_read(const char *file);

/* What entish_input.import wants: `context` is the program's path as text. */
struct entish_text entish_beside(void *context, const char *name);

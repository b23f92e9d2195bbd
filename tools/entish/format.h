/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/entish/out.h"
#include "tools/entish/token.h"

/* Of a text that has been read without a complaint. */
void format_tokens(const struct tokens *tokens, const struct source_file *file, struct out *out);

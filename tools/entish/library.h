/* SPDX-License-Identifier: Apache-2.0 */
/* library.h - the .et files of this folder, inside the program. */
#pragma once

#include "tools/entish/entish.h"

struct library_file {
	const char *name;
	struct entish_text text;
};

extern const struct library_file library_files[]; /* ends with a NULL name */

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed.sh OUT FILE.et..: the files as texts of a C program (library.h).
out=$1
shift
{
	echo '#include "tools/entish/library.h"'
	for file; do
		name=$(basename "$file" .et)
		echo "static const char text_$name[] ="
		sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/\\n"/' "$file"
		echo ';'
	done
	echo 'const struct library_file library_files[] = {'
	for file; do
		name=$(basename "$file" .et)
		echo "{\"$name\", {text_$name, sizeof text_$name - 1}},"
	done
	echo '{0}};'
} > "$out"

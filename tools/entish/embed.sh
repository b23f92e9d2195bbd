#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed.sh OUT FILE.et..: the files as texts of a C program (library.h). What is named
# NAME_PART.et goes on with NAME.et, which is before it.
out=$1
shift
{
	echo '#include "tools/entish/library.h"'
	names=
	for file; do
		name=$(basename "$file" .et)
		if [ "$name" = "${name%%_*}" ]; then
			[ -z "$names" ] || echo ';'
			echo "static const char text_$name[] ="
			names="$names $name"
		fi
		sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/\\n"/' "$file"
	done
	echo ';'
	echo 'const struct library_file library_files[] = {'
	for name in $names; do
		echo "{\"$name\", {text_$name, sizeof text_$name - 1}},"
	done
	echo '{0}};'
} > "$out"

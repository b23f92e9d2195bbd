#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# bytes.sh - a file as an array in C.
# usage: bytes.sh NAME FILE
printf '#include <stdint.h>\nextern const uint8_t %s[];\nextern const uint32_t %s_count;\n' "$1" "$1"
printf 'const uint8_t %s[] = {\n' "$1"
od -An -v -tu1 "$2" | sed 's/  */,/g; s/^,//; s/$/,/'
printf '};\nconst uint32_t %s_count = sizeof %s;\n' "$1" "$1"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# parent.sh - a guest reads a module from a file and has a domain of it, under the
# command line. usage: parent.sh KEYHOLD PARENT.wasm FOLDER_WITH_NEST      TAP on stdout
got=$("$1" run --dir "$3::/d" "$2" /d/nest.wasm 3)
want="0: 0139408dcbbf7a44
1: 12eaead265975125
2: c259338c3e9a9494
3: e0651bf0b4c0aa62
it stopped for reason 2, and was fed 8 times"
echo 1..1
[ "$got" = "$want" ] || {
	printf '%s\n' "$got" | sed 's/^/# /'
	printf 'not '
}
echo "ok 1 - a child made of a file's bytes, fed when it is dry"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# rows.sh - every call of caps/wasi.def and wasi_edge.def is in docs/wasi.md, as a
# TAP test.
# usage: rows.sh SOURCE_ROOT
cd "$1" || exit 99
echo 1..1
missing=
for name in $(sed -n 's/^WASI(\([a-z_]*\),.*/\1/p' caps/wasi.def) \
	$(sed -n 's/^EDGE([a-z_0-9]*, *\([a-z_]*\),.*/\1/p' caps/wasi_edge.def); do
	grep -q "\`$name\`" docs/wasi.md || missing="$missing $name"
done
count=$(grep -c '^WASI(' caps/wasi.def)
[ -z "$missing" ] && [ "$count" = 46 ] && echo "ok 1 - 46 calls" && exit 0
echo "not ok 1 - 46 calls"
echo "# $count rows; not in docs/wasi.md:$missing"
exit 1

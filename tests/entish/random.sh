#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# random.sh KEYHOLD DICE SEED COUNT: random programs print the same compiled as in
# the evaluator. A difference shows the program.
keyhold=$(realpath "$1") dice=$(realpath "$2") seed=$3 count=$4 bad=0
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
"$dice" "$work" "$seed" "$count" || exit 1
for ((i = 0; i < count; i++)); do
	timeout 100 "$keyhold" run --quiet "$work/$i.et" > "$work/got" 2>&1
	if ! diff "$work/$i.out" "$work/got" > "$work/diff"; then
		bad=$((bad + 1))
		[ "$bad" = 1 ] && { head -6 "$work/diff"; cat "$work/$i.et"; } | cut -c 1-200 | sed 's/^/# /'
	fi
done
echo "1..1"
[ "$bad" = 0 ] && echo "ok 1 - $count random programs, seed $seed" || echo "not ok 1 - $bad of $count, seed $seed"
[ "$bad" = 0 ]

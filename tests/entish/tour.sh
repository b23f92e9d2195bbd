#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tour.sh KEYHOLD TOUR.md: each program of the tour prints what stands below it.
keyhold=$(realpath "$1") n=0 bad=0
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
awk -v to="$work" '/^```entish$/ { k++; out = to "/" k ".et"; next }
	/^```text$/ { out = to "/" k ".want"; next }
	/^```$/ { out = ""; next }
	out { print > out }' "$2"
for file in $(ls "$work"/*.et | sort -t/ -k4 -V); do
	n=$((n + 1)) name=${file%.et}
	printf '1\n41\n' | timeout 100 "$keyhold" run --quiet "$file" > "$name.got" 2>&1
	if diff "$name.want" "$name.got" > "$work/diff"; then echo "ok $n - program $n"; else
		bad=1; sed 's/^/# /' "$work/diff"; echo "not ok $n - program $n"; fi
done
n=$((n + 1))
if [ $n = 11 ]; then echo "ok $n - there are ten"; else bad=1; echo "not ok $n - there are ten"; fi
echo "1..$n"
exit $bad

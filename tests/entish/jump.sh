#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# jump.sh KEYHOLD FOLDER: a program stopped in the middle of a loop goes through a pipe
# and goes on in another keyhold, with more gas; so does one that stands in a sandbox,
# and there each sandbox, and each domain of a block, is seen with its own line and bank.
keyhold=$(realpath "$1") folder=$2 n=0 bad=0
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
cd "$folder/jump"
is() { # NAME TEST..
	local name=$1; shift; n=$((n + 1))
	if "$@"; then echo "ok $n - $name"; else echo "not ok $n - $name"; bad=1; fi
}
"$keyhold" run --quiet jump.et > "$work/straight"
for gas in 1M 5M 19M 30M; do
	"$keyhold" run --quiet --gas $gas --snapshot-on gas=- jump.et 2> "$work/a" |
		"$keyhold" resume --quiet --gas +10G - > "$work/b"
	# With an image on standard output what the program prints goes to standard error.
	is "jumps after $gas" diff "$work/straight" <(cat "$work/a" "$work/b")
done
"$keyhold" run --quiet --gas 5M --snapshot-on gas="$work/image" held.et > "$work/out"
is "a sandbox in a sandbox runs dry with all" test $? = 152
"$keyhold" inspect "$work/image" > "$work/seen"
is "outer and spin are domains" grep -q 'outer/spin: ' "$work/seen"
is "each has a bank" test "$(grep -c '^ *bank ' "$work/seen")" = 3
# Blocks that are domains: each with a line and a bank of its own; they go on elsewhere, too.
"$keyhold" run --quiet served.et > "$work/straight"
"$keyhold" run --quiet --gas 8M --snapshot-on gas="$work/served" served.et > "$work/first"
"$keyhold" inspect "$work/served" > "$work/seen_served"
is "keeper and spinner are domains with lines" \
	test "$(grep -c '^ *main/[a-z]*er: .* gas .*storage' "$work/seen_served")" = 2
is "each has a bank" test "$(grep -c '^ *bank ' "$work/seen_served")" = 3
"$keyhold" resume --quiet --gas +10G "$work/served" > "$work/rest"
is "and they go on" diff "$work/straight" <(cat "$work/first" "$work/rest")
sed -n 's/^ *main[^ ]*: /# &/p' "$work/seen"
echo "1..$n"
exit $bad

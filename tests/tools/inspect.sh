#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# inspect.sh KEYHOLD SOURCE FAMILY - images described: text, JSON, a graph.
KH=$1
SOURCE=$2
FAMILY=$(realpath "$3") || exit 99
. "$SOURCE/tests/tools/lib.sh"
for wat in "$SOURCE"/tests/tools/guests/*.wat; do
	wat2wasm "$wat" --debug-names -o "$(basename "$wat" .wat).wasm" || exit 99
done
golden=$SOURCE/tests/golden
promised() { python3 "$SOURCE/tests/tools/inspect.py" "$@" >"$WORK/out"; }

# Amounts of gas and storage are the engine's to change.
round() { grep -v blake2b | sed -E 's/[0-9]{1,3}(,[0-9]{3})+/N/g'; }

golden() { # NAME CMD..: its output as it was
	name=$1
	shift
	"$@" 2>"$WORK/err" | round >got
	if [ "${KH_GOLDEN-}" = write ]; then cp got "$golden/$name"; fi
	diff -u "$golden/$name" got >"$WORK/out"
	ok "$name"
}

"$FAMILY" spin.wasm >family.khi
golden inspect-family.txt "$KH" inspect family.khi
"$KH" inspect --json family.khi >family.json
promised family.json
ok "a tree in JSON has the names and types that are promised"
is "domains by their paths" "main main/parser main/render main/render/font" \
	"$(field family.json '" ".join(d["path"] for d in r["domains"])')"
is "lines and banks are trees of their own" "main main main/render" \
	"$(field family.json '" ".join(d["line_above"] for d in r["domains"][1:])')"
is "a start key names whom it calls, its badge and what is left of it" "main/parser 7 3" \
	"$(field family.json '"{domain} {badge} {uses_left}".format(**r["domains"][2]["keys"][0])')"
is "what is the host's is a hole, but for a virtual clock" "[False, True, True]" \
	"$(field family.json '[k["hole"] for d in r["domains"] for k in d["keys"] if k["name"]]')"
is "what stands where" "out of gas spin" \
	"$(field family.json 'r["domains"][1]["stop"]+" "+r["domains"][1]["stack"][0]["func"]')"

# The picture of the documents is this one.
"$KH" inspect --dot family.khi >family.dot
if [ "${KH_GOLDEN-}" = write ]; then
	cp family.dot "$SOURCE/docs/pictures/family.dot"
	! command -v dot >/dev/null || dot -Tsvg family.dot >"$SOURCE/docs/pictures/family.svg"
fi
round <"$SOURCE/docs/pictures/family.dot" >then.dot
round <family.dot | diff then.dot - >"$WORK/out"
ok "the graph is the one in docs/pictures"
if command -v dot >/dev/null; then
	dot -Tsvg family.dot >family.svg 2>"$WORK/err"
	is "Graphviz takes it: boxes and an ellipse" "4 1" \
		"$(grep -c '>main<\|>parser<\|>render<\|>font<' family.svg) $(grep -c '>grant 0<' family.svg)"
else
	skip "Graphviz takes it" "dot is not here (package graphviz)"
fi
run "$KH" inspect --dot hello.wasm
is "a module has no tree" 64 "$status"

# --- what a run leaves
"$KH" run --quiet --gas 100k --snapshot-on gas=ticks.khi ticks.wasm >/dev/null
"$KH" inspect --json ticks.khi >image.json
"$KH" inspect --json ticks.wasm >module.json
"$KH" inspect --json stranger.wasm >stranger.json
promised image.json module.json stranger.json
ok "so have an image of one, and modules"
printf 'x' | dd of=family.khi bs=1 seek=300 conv=notrunc 2>/dev/null
run "$KH" inspect --json family.khi
is "a damaged image is told" "65/" "$status/$(out)"
done_testing

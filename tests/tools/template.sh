#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# template.sh KEYHOLD SOURCE - images at a chosen point, and copies started from them.
KH=$1
SOURCE=$2
. "$SOURCE/tests/tools/lib.sh"
for wat in "$SOURCE"/tests/tools/guests/*.wat; do
	wat2wasm "$wat" --debug-names -o "$(basename "$wat" .wat).wasm" || exit 99
done
unset KEYHOLD_TEMPLATES
export XDG_DATA_HOME=$WORK/data HOME=$WORK/home
where() { "$KH" inspect "data/keyhold/templates/$1.khi" | grep -m 1 '  at '; }

# --- stdin
run sh -c "echo input | $KH template make t later.wasm --until stdin -- one two"
is "made before the first read of stdin" 0 "$status"
[ "$(out | tr -d '\n')" = "readytwo$(out | tail -c 1)" ] &&
	grep -q 'template t: [0-9,]* bytes, taken after [0-9,]* gas' "$WORK/err"
ok "what the program wrote until then is written once, and the words say what was made"
[ -f data/keyhold/templates/t.khi ] && [ -z "$(ls data/keyhold/templates/*.part 2>/dev/null)" ]
ok "it lies in the folder of templates"
run sh -c "echo first | $KH exec t"
is "a copy reads its own stdin" "3/first" "$status/$(out)"
run sh -c "echo second | $KH exec t"
is "and so does the next" "3/second" "$status/$(out)"
run "$KH" exec t -- other
is "arguments that were asked for cannot be others" "64" "$status"
grep -q 'asked for its arguments already.*take the template earlier' "$WORK/err"
ok "and the words say what to do"

# --- call:N
run "$KH" template make early later.wasm --until call:3
is "made before its third call" "0/ready" "$status/$(out)"
run sh -c "echo in | $KH exec early --random seed=1 -- a bb ccc"
is "a copy gets arguments of its own" "4/ccc" "$status/$(out | cut -c 1-3)"
is "args[0] stays" "1" "$(echo in | "$KH" exec early >"$WORK/out" 2>"$WORK/err"; echo $?)"
echo input | "$KH" run later.wasm x >whole
for n in 1 2 3 4 5 6 7 8; do
	echo input | "$KH" template make --quiet "c$n" later.wasm --until "call:$n" -- x >first
	echo input | "$KH" exec "c$n" --random seed=0 >rest 2>"$WORK/err"
	is "call:$n: a copy ends as the run does" 2 $?
	cat first rest | cmp -s - whole
	ok "and with the same seed and stdin writes the same"
done

# --- export:F
run "$KH" template make work later.wasm --until export:work
is "made at the first call of an export" "0/ready" "$status/$(out)"
where work | grep -q 'func\[[0-9]*\] work @'
ok "it stands at its entry"
run sh -c "echo in | $KH exec work -- last"
is "and goes on" "2/last" "$status/$(out | cut -c 1-4)"
run "$KH" template make none later.wasm --until export:nothing
[ "$status" -eq 64 ] && grep -q 'exports no function of that name' "$WORK/err"
ok "an export that it has not is told"
run "$KH" template make lib reactor.wasm --until export:get
is "a library is initialised" 0 "$status"
run "$KH" run --invoke get reactor.wasm
want=$(out)
run "$KH" exec --invoke get lib
is "and a copy calls its export" "0/$want" "$status/$(out)"

# --- random numbers
a=$(for i in 1 2 3 4 5 6 7 8; do "$KH" exec early -- "" </dev/null; done)
b=$(for i in 1 2 3 4 5 6 7 8; do "$KH" exec early -- "" </dev/null; done)
[ "$a" != "$b" ] # 16^8 to one
ok "each copy draws numbers of its own"
"$KH" exec early --random seed=7 -- x >a </dev/null
"$KH" exec early --random seed=7 -- x >b </dev/null
cmp -s a b
ok "with a seed it draws the same"
"$KH" exec early --report r.json -- x >a </dev/null
seed=$(field r.json 'r["random"]')
"$KH" exec early --random "$seed" -- x >b </dev/null
cmp -s a b
ok "the report's seed has a copy again"
"$KH" template make own later.wasm --key dice=random:seed=3 --until call:3 >/dev/null 2>&1
a=$(for i in 1 2 3 4 5 6 7 8; do "$KH" exec own </dev/null; done)
b=$(for i in 1 2 3 4 5 6 7 8; do "$KH" exec own </dev/null; done)
[ "$a" != "$b" ]
ok "also when the template's generator has another name"

# --- limits, recordings
run "$KH" exec --gas 10 work
is "a copy's gas is its own" 152 "$status"
run "$KH" exec --gas 10M --report r.json work
is "from the template on" "True" "$(field r.json 'r["run"]["gas"] + r["gas"]["left"] == 10000000')"
echo in | "$KH" exec --record x.khr early -- z >a 2>/dev/null
run "$KH" replay x.khr
cmp -s a "$WORK/out"
ok "a copy's recording replays"

# --- names
run "$KH" template list
is "the list" "c1 c2 c3 c4 c5 c6 c7 c8 early lib own t work" \
	"$(out | awk '{ print $1 }' | tr '\n' ' ' | sed 's/ $//')"
"$KH" template list --json >list.json
is "as JSON" "1 13 early" "$(field list.json \
	'str(r["v"])+" "+str(len(r["templates"]))+" "+r["templates"][8]["name"]')"
run "$KH" template remove t
is "removed" 0 "$status"
run "$KH" template remove t
is "not twice" 66 "$status"
run "$KH" exec t
[ "$status" -eq 66 ] && grep -q 'no template t' "$WORK/err"
ok "what is not there is told"
for name in ../x .x -x 'a b' '' "$(printf '%065d' 0)"; do
	run "$KH" template make "$name" later.wasm --until stdin
	[ "$status" -eq 64 ] || echo "# $name: $status"
	run "$KH" exec -- "$name"
	[ "$status" -eq 64 ]
	ok "\"$name\" is no name"
done
KEYHOLD_TEMPLATES=$WORK/other/deep "$KH" template make t later.wasm --until stdin >/dev/null 2>&1
[ -f other/deep/t.khi ]
ok "KEYHOLD_TEMPLATES names the folder"
run "$KH" template list --templates other/deep
is "and so does --templates" t "$(out | awk '{ print $1 }')"

# --- what does not come there
run "$KH" template make never hello.wasm --until stdin
[ "$status" -eq 65 ] && grep -q 'was not made: hello.wasm ended before --until stdin' "$WORK/err"
ok "a program that ends before is told"
run "$KH" template make never trap.wasm --until stdin
is "a trap stays a trap" 134 "$status"
run "$KH" template make never spin.wasm --gas 1M --until stdin
is "so does a limit" 152 "$status"
run "$KH" template make never spin.wasm --timeout 100ms --until stdin
is "and a timeout" 124 "$status"
[ ! -e data/keyhold/templates/never.khi ]
ok "and nothing is left of it"
for until in never call:0 call:x export: step:3; do
	run "$KH" template make never hello.wasm --until "$until"
	[ "$status" -eq 64 ]
	ok "--until $until is told"
done
done_testing

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# only.sh KEYHOLD SOURCE GUESTS - one domain of a recorded run, with all below it, had
# again alone.
KH=$1
SOURCE=$2
GUESTS=$3
. "$SOURCE/tests/tools/lib.sh"
cp "$GUESTS/wing.wasm" . || exit 99
printf 'what the kid reads, sixteen bytes at a time: forty places to begin at\n' >data
run "$KH" run --record t.khr --key file:wing.wasm,ro,as=/self --key file:data,ro,as=/data wing.wasm
is "a family runs" 0 "$status"
mkdir nothing && mv t.khr nothing && cd nothing || exit 99

steps() { # of the last one
	sed -n 's/.* alone: the same end, gas [0-9,]*, steps \([0-9,]*\).*/\1/p' "$WORK/err"
}
for who in main main/kid main/kid/grandkid main/kid#1/grandkid#1; do
	run "$KH" replay --only "$who" t.khr
	[ "$status" -eq 0 ] && [ -n "$(steps)" ]
	ok "$who alone comes to the same end"
done
run "$KH" replay --only main t.khr
all=$(steps)
run "$KH" replay --only main/kid t.khr
[ "$(steps)" -lt "$all" ] && [ "$(steps)" -gt 10 ]
ok "in steps of its own"

# --- somewhere on the way
for until in 0 1000 gas:150000 step:9; do
	run "$KH" replay --only main/kid --until "$until" --snapshot u.khi t.khr
	[ "$status" -eq 0 ] && grep -q 'main/kid alone stands at gas' "$WORK/err"
	ok "--until $until says where it stands"
	run "$KH" inspect u.khi
	[ "$status" -eq 0 ] && grep -q kid "$WORK/out"
	ok "and keeps an image of it"
done
run "$KH" replay --only main/kid --until step:9 t.khr
grep -q 'step 9$' "$WORK/err"
ok "steps are its own"
run "$KH" replay --only main/kid --until 1T t.khr
grep -q 'alone: the same end.*before --until was reached' "$WORK/err"
ok "what is never reached is told"

# --- who is not there, what cannot be had
run "$KH" replay --only main/kid#2 t.khr
[ "$status" -eq 64 ] && grep -q 'no domain main/kid#2' "$WORK/err"
ok "a name that nobody has is a mistake of the command line's"
cd .. || exit 99
run "$KH" run --gas 480k --record dry.khr --key file:wing.wasm,ro,as=/self \
	--key file:data,ro,as=/data wing.wasm
run "$KH" replay --only main/kid dry.khr
[ "$status" -eq 0 ] && grep -q 'main/kid alone: the same end' "$WORK/err"
ok "a meter above it is dry, and is again"
run "$KH" replay --only main dry.khr
is "of the whole nothing is outside" 0 "$status"
python3 - "$KH" <<'END' >"$WORK/out" 2>"$WORK/err"
import subprocess, sys
whole = open("nothing/t.khr", "rb").read()
for at in list(range(40, len(whole), 613)) + [len(whole) - 70]:
    flipped = bytearray(whole)
    flipped[at] ^= 1 << at % 8
    open("flip.khr", "wb").write(flipped)
    r = subprocess.run([sys.argv[1], "replay", "--only", "main/kid", "flip.khr"], capture_output=True)
    assert r.returncode == 65 and b"keyhold: " in r.stderr, (at, r)
    open("flip.khr", "wb").write(whole[:at])
    r = subprocess.run([sys.argv[1], "replay", "--only", "main/kid", "flip.khr"], capture_output=True)
    assert r.returncode == 65 and b"keyhold: " in r.stderr, (at, r)
END
is "flipped or cut off: 65 and words" 0 "$?"
done_testing

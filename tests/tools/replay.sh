#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# replay.sh KEYHOLD SOURCE - runs recorded and had again, with nothing attached.
KH=$1
SOURCE=$2
. "$SOURCE/tests/tools/lib.sh"
for wat in "$SOURCE"/tests/tools/guests/*.wat; do
	wat2wasm "$wat" --debug-names -o "$(basename "$wat" .wat).wasm" || exit 99
done

# same NAME STATUS CMD..: recorded as t.khr, then had again in an empty folder; the two
# reports are left for same_reports.
same() {
	name=$1 want=$2
	shift 2
	"$@" >then 2>then.err
	is "$name: recorded" "$want" "$?"
	mkdir -p nothing && mv t.khr nothing
	mkdir -p "reports/$name"
	mv r.json "reports/$name/then"
	(cd nothing && "$KH" replay --quiet --report "../reports/$name/again" t.khr) >again 2>"$WORK/err" </dev/null
	status=$?
	is "$name: the same status" "$want" "$status"
	cmp -s then again
	ok "$name: the same output"
	mv nothing/t.khr .
}

# All at once, since a python's start takes longer than a run. But for what is this
# machine's.
same_reports() {
	python3 -IS - <<-'END' >"$WORK/alike"
		import json, os
		for name in sorted(os.listdir("reports")):
		    both = []
		    for which in ("then", "again"):
		        r = json.load(open(f"reports/{name}/{which}"))
		        for machine in ("walls", "image", "signal"):
		            r.pop(machine, None)
		        both.append(json.dumps(r, sort_keys=True))
		    print(f"{name}: the same report", *both, sep="\t")
	END
	while IFS="$(printf '\t')" read -r name then again; do
		is "$name" "$then" "$again"
	done <"$WORK/alike"
	is "every run has a report" "$(ls reports | wc -l)" "$(wc -l <"$WORK/alike")"
}

# Until FILE has so many bytes, or the job is gone.
until_said() { # JOB FILE BYTES
	while kill -0 "$1" 2>/dev/null && [ "$(wc -c <"$2")" -lt "$3" ]; do sleep 0.01; done
}

# sent SIGNAL BYTES CMD..: with what comes through `pipe`; the signal, when it has said so
# many bytes.
sent() {
	signal=$1 bytes=$2
	shift 2
	if [ -p pipe ]; then "$@" <pipe 3>&- & else "$@" & fi
	job=$!
	until_said "$job" then "$bytes"
	kill "-$signal" "$job"
	wait "$job"
}
R="--report r.json --record t.khr"

same hello 0 "$KH" run $R hello.wasm
same status 7 "$KH" run $R exit.wasm 7
head -c 300000 /dev/urandom >input
same "300 kB through a pipe" 0 sh -c "cat input | $KH run $R cat.wasm"
same trap 134 "$KH" run $R trap.wasm
same gas 152 "$KH" run $R --gas 100k ticks.wasm
same storage 137 "$KH" run $R --mem 3M --stop-on-storage --invoke grow grow.wasm
same invoke 0 "$KH" run $R --invoke add64 sums.wasm 20 22
mkdir data && echo secret >data/file
same "a directory" 0 "$KH" run $R --dir data::/data open.wasm file
same timeout 124 "$KH" run $R --timeout 200ms spin.wasm
same "an interrupted loop" 130 sent INT 5 "$KH" run $R said.wasm
# cat has said all it was given and reads on from a pipe that nobody closes: without
# --live it waits for a whole buffer before it says anything.
mkfifo pipe && exec 3<>pipe || exit 99
head -c 65536 input >&3
same "an interrupted wait" 143 sent TERM 65536 "$KH" run $R cat.wasm
head -c 5 input >&3
same "an interrupted wait, live" 143 sent TERM 5 "$KH" run $R --live cat.wasm
exec 3>&-
"$KH" run --quiet --gas 100k --snapshot-on gas=a.khi ticks.wasm >/dev/null
same resumed 0 "$KH" resume $R --gas +1G a.khi
same_reports

# --- one file, complete
run "$KH" run --record t.khr --gas 1 --strict stranger.wasm
[ "$status" -eq 65 ] && [ -z "$(ls ./*.part 2>/dev/null)" ]
ok "what never began leaves no recording"
run sh -c "$KH run --record - hello.wasm >t.khr"
is "a recording on standard output, the guest's on the other" "0/hello" "$status/$(head -n 1 "$WORK/err")"
run "$KH" replay t.khr
is "replays" "0/hello" "$status/$(out)"
grep -q 'replayed: the same end, gas [0-9,]*, steps [0-9]*' "$WORK/err"
ok "and says so"
run "$KH" run --record /dev/full hello.wasm
is "a full device under it is said" 74 "$status"
run "$KH" run --record t.khr --record-thin hello.wasm
[ "$(wc -c <t.khr)" -lt 2500 ] && ! grep -q '_start' t.khr
ok "a thin one has no program inside"
run "$KH" replay t.khr
is "it asks for its program" "64" "$status"
run "$KH" replay t.khr hello.wasm
is "and replays with it" "0/hello" "$status/$(out)"
run "$KH" replay t.khr cat.wasm
is "another program is told" 65 "$status"
"$KH" run --record t.khr hello.wasm >/dev/null
run "$KH" replay t.khr hello.wasm
is "a program too many is told" 64 "$status"

# --- a worker that was killed
: >said
"$KH" run --record k.khr said.wasm >said 2>&1 &
keyhold=$!
until_said "$keyhold" said 5
worker=$(cat "/proc/$keyhold/task/$keyhold/children" 2>/dev/null | awk '{ print $1 }')
if [ -n "$worker" ]; then
	kill -KILL "$worker"
	wait "$keyhold"
	is "a worker that is killed is 137" 137 "$?"
	run "$KH" replay k.khr
	[ "$status" -eq 0 ] && grep -q 'the recording ends here, for its worker was ended' "$WORK/err"
	ok "its recording replays as far as it goes, and says so"
else
	kill "$keyhold"
	skip "a worker that was killed" "this kernel does not tell whose child is whose"
fi

# --- --until
"$KH" run --record t.khr --report r.json ticks.wasm >whole
gas=$(field r.json 'r["gas"]')
for until in 1000 gas:150000 step:3 step:7; do
	run "$KH" replay --until "$until" --snapshot u.khi t.khr
	cp "$WORK/out" first
	[ "$status" -eq 0 ] && grep -q 'stands at gas' "$WORK/err" && grep -q 'at     ' "$WORK/err"
	ok "--until $until says where it stands"
	run "$KH" resume --report u.json u.khi
	cat first "$WORK/out" | cmp -s - whole
	ok "and its image goes on to the same end"
	is "with the same gas" "$gas" "$(field u.json 'r["gas"]')"
done
run "$KH" replay --until 1T --snapshot never.khi t.khr
grep -q 'the same end, .*, before --until was reached: no image was kept' err && [ ! -e never.khi ]
ok "what is never reached is told, and leaves no image"
run "$KH" replay --quiet --until 1T t.khr
is "a place past the end is the end" 0 "$status"
cmp -s "$WORK/out" whole
ok "whole"
run "$KH" replay --snapshot u.khi t.khr
is "--snapshot needs --until" 64 "$status"

# --- what is none, or is another's
hello_size=$("$KH" run --record t.khr hello.wasm >/dev/null && wc -c <t.khr)
bad=0
for n in 0 1 7 50 100 $((hello_size / 2)) $((hello_size - 60)) $((hello_size - 1)); do
	head -c "$n" t.khr >cut.khr
	run "$KH" replay cut.khr
	[ "$status" -eq 65 ] && grep -q 'keyhold: cut.khr: ' "$WORK/err" || bad=$n
done
is "cut off anywhere: 65 and words" 0 "$bad"
python3 -IS - "$KH" "$hello_size" <<'END' >"$WORK/out" 2>"$WORK/err"
import subprocess, sys
whole = open("t.khr", "rb").read()
for at in range(0, len(whole), 97):
    flipped = bytearray(whole)
    flipped[at] ^= 1 << at % 8
    open("flip.khr", "wb").write(flipped)
    r = subprocess.run([sys.argv[1], "replay", "flip.khr"], capture_output=True)
    assert r.returncode in (65, 70) and b"keyhold: " in r.stderr, (at, r)
    assert r.returncode == 65 or 24 <= at < 32, (at, r) # a huge reservation is refused
END
ok "a flipped bit anywhere: 65 and words"
run "$KH" replay hello.wasm
grep -q 'it is no recording' "$WORK/err" && [ "$status" -eq 65 ]
ok "a module is no recording"
# The journal of one run behind the beginning of another.
echo x | "$KH" run --record a.khr cat.wasm >/dev/null
echo y | "$KH" run --record b.khr cat.wasm >/dev/null
python3 -IS - <<'END'
a, b = open("a.khr", "rb").read(), open("b.khr", "rb").read()
ja, jb = a.index(b"KEYHJRNL"), b.index(b"KEYHJRNL")
assert a[:ja] == b[:jb]
open("mixed.khr", "wb").write(a[:ja] + b[jb:])
END
run "$KH" replay mixed.khr
is "the same program's other journal is its other run" "0/y" "$status/$(out)"
"$KH" run --record c.khr hello.wasm >/dev/null
python3 -IS - <<'END'
c, b = open("c.khr", "rb").read(), open("b.khr", "rb").read()
open("mixed.khr", "wb").write(c[:c.index(b"KEYHJRNL")] + b[b.index(b"KEYHJRNL"):])
END
run "$KH" replay mixed.khr
is "another program's is refused" 65 "$status"
# One that really diverges: the same program with other arguments in its setup.
"$KH" run --record a.khr --dir data::/data open.wasm file >/dev/null 2>&1
"$KH" run --record b.khr --dir data::/data open.wasm fool >/dev/null 2>&1
python3 -IS - <<'END'
import hashlib, struct
a, b = open("a.khr", "rb").read(), open("b.khr", "rb").read()
ja, jb = a.index(b"KEYHJRNL"), b.index(b"KEYHJRNL")
tail = b[-56:-40]
n = struct.unpack_from("<Q", tail)[0]
hash = hashlib.blake2b(a[ja - 32:ja] + b[-56 - n:-56] + tail, digest_size=32).digest()
open("mixed.khr", "wb").write(a[:ja] + b[jb:-40] + hash + b[-8:])
END
run "$KH" replay --diff mixed.khr
is "a run that differs is 65" 65 "$status"
grep -q 'another request than was made then: at gas [0-9]*, step [0-9]*' "$WORK/err" &&
	grep -q 'then   open .*path fool' "$WORK/err" && grep -q 'now    open .*path file' "$WORK/err"
ok "and --diff shows both"
run "$KH" replay mixed.khr
grep -q -- '--diff' "$WORK/err"
ok "which the words without it name"
done_testing

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh KEYHOLD SOURCE [smoke|nobody] - the main job, end to end, with small guests.
KH=$1
SOURCE=$2
. "$SOURCE/tests/tools/lib.sh"
if [ "${3-}" = nobody ]; then
	if [ "$(id -u)" -ne 0 ] || ! command -v setpriv >/dev/null; then
		echo "1..0 # SKIP only root can become nobody"
		exit 0
	fi
	# The tree may lie where nobody cannot go: a copy of what is needed.
	cp "$KH" "$WORK/keyhold"
	chmod 755 "$WORK" "$WORK/keyhold"
	mkdir "$WORK/nobody"
	chown 65534:65534 "$WORK/nobody"
	KH="setpriv --reuid=65534 --regid=65534 --clear-groups $WORK/keyhold"
	HOME_OF_TEST=$WORK/nobody
else
	HOME_OF_TEST=$WORK/root
	mkdir "$HOME_OF_TEST"
fi
for wat in "$SOURCE"/tests/tools/guests/*.wat; do
	wat2wasm "$wat" --debug-names -o "$HOME_OF_TEST/$(basename "$wat" .wat).wasm" || exit 99
done
cd "$HOME_OF_TEST" || exit 99
own() { [ "${KH#setpriv}" = "$KH" ] || chown -R 65534:65534 "$HOME_OF_TEST"; }
own
out() { cat "$WORK/out"; }
err() { cat "$WORK/err"; }

# --- streams and statuses
run $KH hello.wasm
is "hello says hello" "hello/0/" "$(out)/$status/$(err)"
run $KH "$SOURCE/tests/tools/guests/hello.wat"
is "a .wat runs where wat2wasm is" "hello/0" "$(out)/$status"
cp hello.wasm hello.bin
run $KH run hello.bin
is "any name runs when run is said" "hello/0" "$(out)/$status"
run sh -c "cat hello.wasm | $KH run -"
is "a module comes through a pipe" "hello/0" "$(out)/$status"
run sh -c "$KH run fd:7 7<hello.wasm"
is "a module comes through a descriptor" "hello/0" "$(out)/$status"
run $KH exit.wasm 0
is "the guest's status 0" 0 "$status"
run $KH exit.wasm 7
is "the guest's status 7" 7 "$status"
run $KH exit.wasm 255
is "the guest's status 255" 255 "$status"
run $KH exit.wasm 256
is "a failure of which eight bits are zero is still a failure" 1 "$status"
printf 'some input' >input
run sh -c "$KH cat.wasm <input"
is "standard input is the caller's" "some input" "$(out)"
run $KH run --stdin input --stdout output cat.wasm
is "--stdin and --stdout" "some input//0" "$(cat output)/$(out)/$status"
run sh -c "$KH run --stdin fd:5 --stdout fd:6 cat.wasm 5<input 6>output2"
is "streams are descriptors too" "some input" "$(cat output2)"
run sh -c "$KH run --stdin input cat.wasm >/dev/full"
is "a full device is an errno to the guest (51, ENOSPC)" 51 "$status"
run sh -c "{ $KH run --stdin input cat.wasm; echo \$? >code; } | true; cat code"
[ "$(out)" = 0 ] || [ "$(out)" = 64 ]
ok "a closed pipe is an errno to the guest (64, EPIPE), or it was quick enough"
dd if=/dev/zero bs=1024 count=1024 of=big 2>/dev/null
run sh -c "$KH run --stdin big cat.wasm | cmp - big"
is "a megabyte goes through unchanged" 0 "$status"

[ "${3-}" != smoke ] || done_testing

# --- gas
run $KH run --report r.json ticks.wasm
G=$(field r.json 'r["gas"]["guest"]+r["gas"]["host"]')
is "all ticks" 10 "$(out | wc -l)"
run $KH run --report r.json --gas "$G" ticks.wasm
is "exactly enough gas is enough" "0/$G/0" \
	"$status/$(field r.json 'r["gas"]["guest"]+r["gas"]["host"]')/$(field r.json 'r["gas"]["left"]')"
exact=0
for n in 0 1 100 $((G / 2)) $((G - 1)); do
	run $KH run --quiet --report r.json --gas "$n" ticks.wasm
	used=$(field r.json 'r["gas"]["guest"]+r["gas"]["host"]')
	need=$(field r.json 'r["gas"]["need"]')
	[ "$status" -eq 152 ] && [ "$used" -le "$n" ] && [ $((used + need)) -gt "$n" ] && exact=$((exact + 1))
	[ "$(field r.json 'r["gas"]["left"]')" -eq $((n - used)) ] || exact=-100
done
is "it stops where the next step has no room" 5 "$exact"
run $KH run --gas 1M spin.wasm
is "a loop without end ends" 152 "$status"
grep -q 'keyhold: spin.wasm is out of gas: [0-9,]* used' "$WORK/err" && grep -q 'at     spin @0x' "$WORK/err"
ok "and the words say how much and where"
run $KH run --executor switch --report s.json ticks.wasm
is "the reference executor uses the same gas" "$G" \
	"$(field s.json 'r["gas"]["guest"]+r["gas"]["host"]')"

# --- traps
run $KH run --report r.json trap.wasm
is "a trap is 134" 134 "$status"
grep -q 'trapped: integer divide by zero' "$WORK/err" && grep -q 'at     inner @0x[0-9a-f]* <- outer @0x' "$WORK/err"
ok "with its name and its stack"
is "and in the report" "trap inner ['inner', 'outer', '_start']" "$(field r.json \
	'r["end"]+" "+r["where"]["func"]+" "+str([f["func"] for f in r["where"]["stack"]])')"

# --- images
$KH ticks.wasm >whole
for when in 1000 $((G / 3)) $((G - 1)); do
	run $KH run --quiet --gas "$when" --snapshot-on gas=t.khi ticks.wasm
	cp "$WORK/out" first
	run $KH resume --gas +1G --report r.json t.khi
	cat first "$WORK/out" | cmp -s - whole
	ok "stopped at $when and resumed, it writes the same"
	is "and uses the same gas" "$G" "$(field r.json 'r["gas"]["guest"]+r["gas"]["host"]')"
done
run sh -c "$KH run --quiet --gas 3000 --snapshot-on gas=- ticks.wasm | $KH resume --gas +1G -"
is "an image goes through a pipe" "0" "$status"
cat "$WORK/err" "$WORK/out" | cmp -s - whole
ok "and the guest's output is whole, its first part on standard error"
run $KH run --quiet --gas 3000 --snapshot-on gas=t.khi --snapshot-on trap=u.khi ticks.wasm
[ ! -e u.khi ] && [ -z "$(ls ./*.part 2>/dev/null)" ]
ok "what did not happen leaves no file"
cp t.khi t2.khi
run $KH run --snapshot-on gas=t.khi ticks.wasm
cmp -s t.khi t2.khi
ok "an image that was not made leaves the old one"
run $KH run --quiet --gas 3000 --snapshot-on gas=/dev/full ticks.wasm
is "a full device under the image is said" 74 "$status"
if [ "$(id -u)" -eq 0 ] && [ "${3-}" != nobody ] && unshare -m true 2>/dev/null; then
	mkdir -p full
	run unshare -m sh -c "mount -t tmpfs -o size=8k none full && cp t2.khi full/t.khi &&
		$KH run --gas 3000 --snapshot-on gas=full/t.khi ticks.wasm; echo \$?; cmp full/t.khi t2.khi; ls full"
	is "a full disk under an image is said, and the old one stays" "74 t.khi" \
		"$(tail -n 2 "$WORK/out" | tr '\n' ' ' | sed 's/ $//')"
	grep -q 'the image could not be written to full/t.khi: no space left on its device' "$WORK/err"
	ok "in words"
else
	skip "a full disk under an image" "only root can make one"
fi
run $KH run --snapshot-on trap=d.khi trap.wasm
run $KH inspect d.khi
grep -q 'main: integer divide by zero' "$WORK/out" && grep -q 'func\[0\] inner @0x' "$WORK/out"
ok "an image of a trap shows where it stands"
run $KH resume --gas +1M d.khi
is "and stays a trap" 134 "$status"
run $KH run --quiet --executor switch --stop-after 50 --snapshot-on gas=a.khi ticks.wasm
run $KH run --quiet --executor fast --stop-after 50 --snapshot-on gas=b.khi ticks.wasm
cmp -s a.khi b.khi
ok "both executors write the same image"
run $KH resume --executor fast a.khi
is "and go on from each other's" 0 "$status"

# --- storage
run $KH run --mem 8M --invoke grow grow.wasm
is "growth beyond --mem is refused to the guest" 0 "$status"
[ "$(out)" -gt 64 ] && [ "$(out)" -lt 128 ]
ok "close to the limit ($(out) pages of 128)"
run $KH run --mem 8M --stop-on-storage --report r.json --snapshot-on storage=g.khi --invoke grow grow.wasm
is "with --stop-on-storage it is a stop" "137 storage" "$status $(field r.json 'r["end"]')"
run $KH resume --mem 16M --report r.json g.khi
is "that goes on with more, to the next stop" "137" "$status"
peak=$(field r.json 'r["storage_peak"]')
[ "$peak" -gt $((8 << 20)) ] && [ "$peak" -le $((16 << 20)) ]
ok "and the peak is never above the limit"

run $KH run --mem 1K hello.wasm
is "--mem that does not hold the program" 137 "$status"
grep -q 'hello.wasm: --mem has no room for what it begins with' "$WORK/err"
ok "is told"

# --- keys
mkdir -p box/in outside
echo inside >box/in/file
echo secret >outside/secret
ln -s ../outside/secret box/link
own
run $KH run --dir box::/ open.wasm in/file
is "what is inside opens" 0 "$status"
run $KH run --dir box::/ --report r.json open.wasm ../outside/secret
is ".. is refused: ENOTCAPABLE" 76 "$status"
grep -q 'denied: open.wasm tried' "$WORK/err" && grep -q '^  why    ' "$WORK/err" &&
	grep -q '^  guest  got ENOTCAPABLE' "$WORK/err"
ok "and the words say what, why and what the guest saw"
is "and the report counts it" 1 "$(field r.json 'sum(k["denied"] for k in r["keys"])')"
run $KH run --dir box::/ open.wasm link
is "a link out is refused" 76 "$status"
run $KH run --dir box:ro open.wasm in/file w
is "a write through a read-only key is refused" 76 "$status"
run $KH run --dir box:ro open.wasm in/new c
is "so is a new file" 76 "$status"
[ ! -e box/in/new ]
ok "which is not there afterwards"
run $KH run --dir box open.wasm in/new c
is "a directory is rw without :ro" "0" "$status$(test -e box/in/new || echo missing)"
run $KH run --dir box::/ --stop-on-denied --report r.json open.wasm ../x
is "--stop-on-denied ends it" "77 denied" "$status $(field r.json 'r["end"]')"
run $KH run --dir none open.wasm x
is "a directory that is not there is 66" 66 "$status"
grep -q 'none: No such file or directory (key none, dir:none,rw)' "$WORK/err"
ok "named with its key"

# --- limits of keys: how often, how many bytes, how long, how fast
mkdir -p few
printf 0123456789 >few/f
own
run $KH run --key dir:few,ro,as=/ limits.wasm
is "200 reads without a limit" 200 "$status"
run $KH run --key dir:few,ro,as=/,uses=10 limits.wasm
is "uses=10: an open and nine reads" 9 "$status"
run $KH run --key dir:few,ro,as=/,bytes=100 limits.wasm
is "bytes=100: ten reads of ten, then none" 10 "$status"
run $KH run --key dir:few,ro,as=/,bytes=35 limits.wasm
is "bytes=35: the fourth read is short" 103 "$status"
run $KH run --key dir:few,ro,as=/,rate=20/s limits.wasm
is "rate=20/s: an open and 19 reads at once" 19 "$status"
run $KH run --key dir:few,ro,as=/,rate=100000/s limits.wasm
is "a rate that is not reached changes nothing" 200 "$status"
run $KH run --key dir:few,ro,as=/,for=1h limits.wasm
is "for=1h lasts" 200 "$status"
before=$(date +%s%N)
run timeout 60 $KH run --key dir:few,ro,as=/,for=300ms limits.wasm forever
took=$((($(date +%s%N) - before) / 1000000))
is "for=300ms: then the reads end" 42 "$status"
[ $took -ge 300 ] && [ $took -lt 20000 ]
ok "soon after, not before"
run $KH run --key dir:few,ro,as=/,rate=0 limits.wasm
is "a rate of nothing is refused" 64 "$status"

# --- --invoke
run $KH run --invoke add sums.wasm 2 40
is "add" "42" "$(out)"
run $KH run --invoke add sums.wasm -1 0xffffffff
is "add, signed and hexadecimal" "-2" "$(out)"
run $KH run --invoke add64 sums.wasm 9223372036854775807 1
is "add64 wraps" "-9223372036854775808" "$(out)"
run $KH run --invoke half sums.wasm 0.2
is "half" "0.1" "$(out)"
run $KH run --invoke third sums.wasm 1
is "third" "0.3333333333333333" "$(out)"
run $KH run --invoke third sums.wasm inf
is "infinity" "inf" "$(out)"
run $KH run --invoke two sums.wasm
is "two results, one a line" "-1 0.1" "$(out | tr '\n' ' ' | sed 's/ $//')"
run $KH run --invoke nothing sums.wasm
is "no result, no line" "0/" "$status/$(out)"
run $KH run --invoke add sums.wasm 1
is "too few arguments are a usage fault" 64 "$status"
grep -q 'add takes 2 arguments (i32 i32), 1 given' "$WORK/err"
ok "which says the types"
run $KH run --invoke add sums.wasm 1 4294967296
is "a number that does not fit is refused" 64 "$status"
run $KH sums.wasm
is "nothing to start is said" 64 "$status"
grep -q 'exports no function _start; it exports: add, add64' "$WORK/err"
ok "with what there is"

# --- time and signals
run $KH run --timeout 1s --report r.json spin.wasm
is "--timeout is 124" "124 time" "$status $(field r.json 'r["end"]')"
[ "$(field r.json 'r["gas"]["guest"]')" -gt 0 ]
ok "and the gas is told"
mkfifo fifo
own
for signal in INT:130 TERM:143; do
	rm -f r.json s.khi begun
	# The guest waits for input that never comes; what it wrote says that it runs.
	$KH run --report r.json --snapshot-on signal=s.khi --live --stdin fifo --stdout begun cat.wasm 2>"$WORK/err" &
	job=$!
	exec 8>fifo
	echo begun >&8
	while [ ! -s begun ]; do kill -0 $job || break; done
	kill -${signal%:*} $job
	wait $job
	status=$?
	exec 8>&-
	is "SIG${signal%:*} is ${signal#*:}" "${signal#*:} killed" "$status $(field r.json 'r["end"]')"
	echo more >rest
	run $KH resume --stdin rest s.khi
	is "and its image goes on" "more/0" "$(out)/$status"
done

# --- bad modules and images
run $KH run --report r.json /dev/null
is "an empty module is 65" 65 "$status"
head -c 20 hello.wasm >cut.wasm
run $KH cut.wasm
is "a truncated module is 65" 65 "$status"
grep -q 'at byte [0-9]* (0x' "$WORK/err"
ok "with the offset"
[ "$(wc -l <"$WORK/err")" -eq 1 ]
ok "and nothing else"
head -c 100 t.khi >cut.khi
run $KH resume cut.khi
is "a truncated image is 65" 65 "$status"
run $KH resume hello.wasm
is "a module is no image" 65 "$status"
run $KH run t.khi
is "an image is no module" 65 "$status"
run $KH run --report /dev/full hello.wasm
is "a report that could not be written is a failure" "74 hello" "$status $(out)"

run $KH resume ./hello.wasm
grep -q 'hello.wasm is a module, not an image; to run it: keyhold run ./hello.wasm' "$WORK/err"
ok "a module given to resume is told"
run $KH run t.khi
grep -q 't.khi is an image; to go on from it: keyhold resume t.khi' "$WORK/err"
ok "an image given to run is told"
cp t.khi flipped.khi
printf '\377' | dd of=flipped.khi bs=1 seek=200 conv=notrunc 2>/dev/null
run $KH resume flipped.khi
is "a flipped bit in an image is 65" 65 "$status"
run $KH resume -
is "no image at all is 65" 65 "$status"

# --- the report, for every end that the command line can bring about
report() { # END, the report being r.json
	python3 "$SOURCE/tests/tools/schema.py" "$1" r.json >faults 2>&1
	ok "the report of $1 is as promised"
	sed 's/^/# /' faults
}
run $KH run --report r.json exit.wasm 3
report exit
run $KH run --report r.json trap.wasm
report trap
run $KH run --gas 1000 --snapshot-on gas=r.khi --report r.json ticks.wasm
report gas
run $KH run --mem 8M --stop-on-storage --report r.json --invoke grow grow.wasm
report storage
run $KH run --timeout 20ms --report r.json spin.wasm
report time
run $KH run --dir box::/ --stop-on-denied --report r.json open.wasm ../x
report denied
run $KH run --report r.json cut.wasm
report refused
run sh -c "$KH run --report fd:9 hello.wasm 9>r.json"
report exit
run sh -c "$KH run --report - hello.wasm >r.both; sed 1d r.both >r.json"
report exit
run $KH resume --report r.json --gas +10 r.khi
report gas
is "the run's part is apart from the whole" True \
	"$(field r.json 'r["run"]["gas"] < r["gas"]["guest"]+r["gas"]["host"]')"
$KH run --report r.json cat.wasm <fifo 2>"$WORK/err" &
job=$!
exec 8>fifo
worker=$(worker_of $job)
kill -TERM $job
wait $job
exec 8>&-
report killed

# --- the worker's death
$KH run --report r.json cat.wasm <fifo 2>"$WORK/err" &
job=$!
exec 8>fifo
worker=$(worker_of $job)
kill -KILL $worker
wait $job
status=$?
exec 8>&-
is "a worker killed from outside is 137" "137 killed" "$status $(field r.json 'r["end"]')"
grep -q 'the worker was killed from outside' "$WORK/err"
ok "and it is said"

$KH run --report r.json cat.wasm <fifo 2>"$WORK/err" &
job=$!
exec 8>fifo
worker=$(worker_of $job)
# It handles the signal from some point on; before, it may not even hear it.
while kill -0 $job && ! grep -q '^SigCgt:.*[2367abef].$' /proc/$worker/status; do :; done
kill -ABRT $worker
wait $job
status=$?
exec 8>&-
is "a worker that aborts is our fault" "70 killed" "$status $(field r.json 'r["end"]')"
grep -q 'the worker stopped itself' "$WORK/err" && ! grep -qi 'fault)' "$WORK/err"
ok "and is not called a memory fault"

$KH cat.wasm <fifo 2>"$WORK/err" &
job=$!
exec 8>fifo
worker=$(worker_of $job)
kill -KILL $job
{ wait $job; } 2>/dev/null
tail --pid="$worker" -f /dev/null # ends when the worker has
ok "a broker killed from outside takes its worker along"
exec 8>&-

# --- clocks, random numbers, variables, imports
$KH keys.wasm >one
$KH keys.wasm | cmp -s - one
ok "the virtual clock and the seed make two runs equal"
$KH run --random seed=1 keys.wasm | cmp -s - one
[ $? -eq 1 ]
ok "another seed, other bytes"
$KH run --random real --clock real --report r.json keys.wasm | cmp -s - one
[ $? -eq 1 ]
ok "real ones differ"
is "and the report says which they were" "real real" "$(field r.json 'r["clock"]+" "+r["random"]')"
run $KH run --random seed=5 --gas 30 --quiet --snapshot-on gas=k.khi keys.wasm
run sh -c "$KH resume --gas +1M --report r.json k.khi >two; $KH run --random seed=5 keys.wasm | cmp - two"
is "an image brings its clock and its seed" "0 virtual seed=5" \
	"$status $(field r.json 'r["clock"]+" "+r["random"]')"
run $KH run --clock real --gas 30 --quiet --snapshot-on gas=k.khi keys.wasm
run $KH resume --gas +1M k.khi
grep -q 'key clock (clock:real) was in the image and is not handed over now' "$WORK/err"
ok "a real clock is not brought: a hole, which is told"
run $KH resume --clock real --gas +1M k.khi
is "and which --clock real fills" "0/" "$status/$(err)"
run $KH run --dir box::/ --gas 30 --quiet --snapshot-on gas=k.khi open.wasm in/file
run $KH resume --gas +1 --quiet --snapshot-on gas=k2.khi k.khi
is "an image goes on without its directory, into another image" 152 "$status"
run $KH resume --gas +1M --dir box::/ k2.khi
is "which has the hole still, for --dir to fill" "0/" "$status/$(err)"
run $KH resume --gas +1M k2.khi
is "and which the guest meets otherwise" 76 "$status"
run $KH run --strict stranger.wasm
is "--strict refuses an import that nobody serves" 65 "$status"
grep -q 'env.*nobody' "$WORK/err"
ok "by name"
run $KH stranger.wasm
is "without it the program runs" 0 "$status"
run $KH run --invoke call stranger.wasm
is "until it calls it" 134 "$status"
run $KH run --invoke get reactor.wasm
is "a reactor is initialised before what is invoked" 7 "$(out)"
run $KH run --report r.json start.wasm
is "a start function is a program" 0 "$status"
[ "$(field r.json 'r["gas"]["guest"]')" -gt 1000 ]
ok "which is paid for"

# --- files and streams as keys
echo one >notes
own
run $KH run --key file:notes,ro open.wasm notes
is "a file key is a name in /" 0 "$status"
run $KH run --key file:notes,ro open.wasm notes w
is "read-only it is not written" 76 "$status"
run $KH run --key 'log=file:notes,append,as=/log/x' open.wasm log/x a
is "a file may be anywhere in /" 0 "$status"
run $KH run --no-root --key file:notes,ro open.wasm notes
is "without a root there is no descriptor 3" 8 "$status"

# --- odd callers
run sh -c "$KH hello.wasm <&- 2>&-"
is "closed standard streams are empty ones" "hello/0" "$(out)/$status"
run sh -c "$KH hello.wasm >&-"
is "a closed standard output too" 0 "$status"
ln -sf "${KH##* }" link
run sh -c "cd / && $HOME_OF_TEST/link $HOME_OF_TEST/hello.wasm"
is "through a link, from another directory" "hello/0" "$(out)/$status"
run env -i $KH hello.wasm
is "an empty environment is enough" hello "$(out)"

# --- the log key
run $KH run log.wasm
is "a guest's log lines are told, controls made safe" \
	"log: main: hello/log: main: red ?[31m/log: main: done/0" "$(tr '\n' '/' <"$WORK/err")$status"
is "and its output is its own" "" "$(out)"
run $KH run --quiet log.wasm
is "--quiet keeps them back" "/0" "$(err)/$status"
run $KH run --gas 20000 --snapshot-on gas=log.khi log.wasm
grep -q '^log: main: hello' "$WORK/err"
ok "told by who is stopped later"
run $KH resume --gas +1G log.khi
is "who goes on from an image has its log still" "log: main: done/0" "$(grep ^log "$WORK/err")/$status"

# --- inspect and doctor
for name in hello sums stranger log; do
	$KH inspect $name.wasm | grep -v blake2b >inspected 2>&1
	if [ "${KH_GOLDEN-}" = write ]; then cp inspected "$SOURCE/tests/golden/inspect-$name.txt"; fi
	diff "$SOURCE/tests/golden/inspect-$name.txt" inspected >"$WORK/out"
	ok "inspect $name"
done
$KH inspect --json sums.wasm >r.json
is "inspect in JSON" "add (i32, i32) -> (i32)" \
	"$(field r.json '"{name} {type}".format(**r["modules"][0]["exports"][0])')"
$KH inspect --json t.khi >r.json
is "an image in JSON" "main out of gas ['clock', 'random', 'stdin', 'stdout', 'stderr']" \
	"$(field r.json '(lambda d: d["name"]+" "+d["stop"]+" "+str([k["name"] for k in d["keys"]]))(r["domains"][0])')"
run $KH inspect cut.wasm
is "inspect of what is no module" 65 "$status"
run $KH doctor --json
cp "$WORK/out" r.json
is "the doctor speaks JSON" "1 True" "$(field r.json 'str(r["v"])+" "+str(r["walls"]["seccomp"])')"

# --- the watchdog
run $KH run --spin --stuck-after 100ms --report r.json hello.wasm
is "a worker that spins is ended" "70 killed" "$status $(field r.json 'r["end"]')"
grep -q 'it computed for 100ms without coming to a safepoint' "$WORK/err"
ok "and it is said"
run timeout 20 $KH run --spin --stuck-after 0s --timeout 300ms hello.wasm
is "0s: nobody watches, but --timeout does" 124 "$status"
run $KH run --stuck-after 100ms --timeout 700ms spin.wasm
is "a guest that spins comes to safepoints" 124 "$status"

# --- tiers
unset KEYHOLD_TIER
run $KH run --tier T1 --report r.json hello.wasm
is "tier T1 runs it" "hello T1 False" \
	"$(out) $(field r.json 'r["walls"]["tier"]+" "+str(r["walls"]["netns"])')"
if [ -n "$WORK" ] && unshare -Ur true 2>/dev/null && [ "${3-}" != nobody ]; then
	run unshare -Ur sh -c "echo 0 >/proc/sys/user/max_user_namespaces; $KH hello.wasm"
	is "where no namespace may be made, T1 is taken" "hello/0" "$(out)/$status"
	grep -q 'the walls stood at tier T1 only' "$WORK/err"
	ok "and said"
	run unshare -Ur sh -c "echo 0 >/proc/sys/user/max_user_namespaces; $KH run --tier T0 hello.wasm"
	is "T0 demanded there is refused" 70 "$status"
else
	skip "where no namespace may be made" "only root can make such a place"
fi

run $KH run --tier T2 --report r.json hello.wasm
is "tier T2 runs it" "hello T2 False" \
	"$(out) $(field r.json 'r["walls"]["tier"]+" "+str(r["walls"]["ring_fenced"])')"
# NO_RING makes such hosts; nobody may not be able to run it where it lies
no_ring=${NO_RING-}
if [ "${3-}" = nobody ] && [ -n "$no_ring" ]; then
	cp "$no_ring" "$WORK/no_ring" && chmod 755 "$WORK/no_ring" && no_ring=$WORK/no_ring
fi
for host in ring lacking docker; do
	if [ -z "$no_ring" ]; then
		skip "a host of the kind $host" "NO_RING is not set"
		continue
	fi
	run "$no_ring" $host $KH hello.wasm
	is "$host: without io_uring it is refused" 70 "$status"
	grep -q 'no io_uring here.*--accept-tier T2' "$WORK/err"
	ok "$host: and it says what to do"
	run "$no_ring" $host $KH run --accept-tier T2 --report r.json hello.wasm
	is "$host: T2 is taken when it is accepted" "hello/0 T2" \
		"$(out)/$status $(field r.json 'r["walls"]["tier"]')"
	grep -q 'the walls stood at tier T2 only' "$WORK/err"
	ok "$host: and said"
	[ $host = docker ] && wanted=False || wanted=True
	is "$host: namespaces where they are to be had" $wanted "$(field r.json 'r["walls"]["netns"]')"
	run "$no_ring" $host $KH run --tier T0 --accept-tier T2 hello.wasm
	is "$host: T0 demanded is refused" 70 "$status"
	run "$no_ring" $host $KH doctor
	grep -q 'refuses, but with --accept-tier T2' "$WORK/out"
	ok "$host: the doctor says so"
done
run $KH run --accept-tier T9 hello.wasm
is "no such tier" "64 1" "$status $(grep -c 'the tiers are T0, T1 and T2' "$WORK/err")"
run $KH run --accept-tier T2 --report r.json hello.wasm
is "what is accepted is not what is taken" T0 "$(field r.json 'r["walls"]["tier"]' | tr 1 0)"

# --- words
run $KH run hello.wasm --gas 5
grep -q 'stands after hello.wasm, so it goes to the guest' "$WORK/err"
ok "one of ours after the file earns a warning"
run $KH run --quiet hello.wasm --gas 5
is "which --quiet keeps back" "" "$(err)"
done_testing

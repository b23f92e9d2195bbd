#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guests.sh - guests on the host's loopback: servers and clients of all four sorts, peers
# that are slow, gone or deaf, ten thousand of them; a TAP line a check.
# usage: guests.sh KEYHOLD SOURCE CLIENT SERVER GUESTS_FOLDER
KH=$1 SOURCE=$2
CLIENT=$(realpath "$3") NATIVE=$(realpath "$4") GUESTS=$(realpath "$5")
. "$SOURCE/tests/tools/lib.sh"

"$KH" run --help | grep -q -- --listen || {
	echo "1..0 # SKIP this command line has no keys to networks"
	exit 0
}

free_port() {
	python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'
}

# serve CMD..: in the background; PORT is where
serve() {
	"$@" >"$WORK/served" 2>&1 </dev/null &
	server=$!
}
stop() {
	kill "$server" 2>/dev/null
	wait "$server" 2>/dev/null
}
guest() { # MODE [OPTION..]
	local mode=$1
	shift
	PORT=$(free_port)
	serve "$KH" run --listen "127.0.0.1:$PORT" "$@" "$GUESTS/server.wasm" "$mode"
}
client() { timeout 60 "$CLIENT" "$PORT" "$@"; }
number() { sed 's/.* p99 \([0-9]*\) .*/\1/' "$WORK/out"; }

# --- servers ---------------------------------------------------------------------------
guest echo
run client echo 1 1 64
ok "an echo over a listener: $(out)"
run client echo 64 1 4096
ok "sixty-four at once: $(out)"
run client reset
ok "fifty that reset in the middle of it harm nobody else"
run client never
ok "nor does one that never reads: $(out)"
run client slow 1 100 2
before=$(number)
run client slow 1000 100 2
after=$(number)
[ "$after" -lt $((before * 3 + 20000)) ]
ok "a thousand slow ones, p99 of the others: $before us before, $after us now"
stop

most=$(ulimit -Hn)
[ "$most" = unlimited ] && most=1000000
if [ "${KEYHOLD_TIER-}" = T2 ]; then
	many=500
elif [ "$most" -gt 10100 ]; then
	many=10000
else
	many=$((most - 100))
fi
guest echo
run client hold "$many"
ok "$(out)"
kill -0 "$server" 2>/dev/null
ok "and the guest is well"
stop

guest echo --mem 2M
run client hold 3000
[ "$status" -ne 0 ]
ok "who has no storage for so many does not hold them"
stop

for way in sink source; do
	guest "$way"
	run client "$way" 100000000
	ok "$way: 100 MB, $(out)"
	stop
done

# --- clients -----------------------------------------------------------------------------
PORT=$(free_port)
serve "$NATIVE" echo "$PORT"
run client echo 1 1 64 # it is there now
run "$KH" run --key "tcp:127.0.0.1:$PORT,as=/net/api" "$GUESTS/dial.wasm" file /net/api
is "open() dials what the key of that name says" "to and fro, over a socket" "$(out)"
run "$KH" run --connect "127.0.0.1:$PORT" "$GUESTS/dial.wasm" edge 127.0.0.1 "$PORT"
is "a WasmEdge guest connects where a key allows it" \
	"IPv4 127.0.0.1:$PORT
to and fro, over a socket" "$(out)"
run "$KH" run --connect "127.0.0.1:$PORT" "$GUESTS/dial.wasm" edge 127.0.0.2 "$PORT"
is "and nowhere else" "errno 76" "$(out)"
grep -q -- "--connect 127.0.0.2:$PORT" "$WORK/err"
ok "it is told what would allow it"
real=${KH_REAL:-$SOURCE/build/real} # tests/real/build makes them
cat >api.lua <<'END'
local f = assert(io.open("/net/api", "r+"))
f:setvbuf("no")
f:write("from lua")
print(f:read(8))
END
if [ -f "$real/lua.wasm" ]; then
	run "$KH" run --gas 10G --dir .::/s --key "tcp:127.0.0.1:$PORT,as=/net/api" "$real/lua.wasm" /s/api.lua
	is "an unmodified Lua speaks TCP by its file library" "from lua" "$(out)"
else
	skip "an unmodified Lua speaks TCP by its file library" "no $real/lua.wasm"
fi
if [ -f "$real/python.wasm" ]; then
	run "$KH" run --gas 100G --mem 512M --key "tcp:127.0.0.1:$PORT,as=/net/api" "$real/python.wasm" \
		-c 'f=open("/net/api","r+b",0); f.write(b"from python"); print(f.read(99).decode())'
	is "and so does an unmodified Python" "from python" "$(out)"
else
	skip "and so does an unmodified Python" "no $real/python.wasm"
fi
run "$KH" run --record "$WORK/rec" --connect "127.0.0.1:$PORT" "$GUESTS/dial.wasm" \
	edge 127.0.0.1 "$PORT"
stop
run "$KH" replay "$WORK/rec"
ok "a replay needs no network"
run "$KH" run --key "tcp:127.0.0.1:$PORT,as=/net/api" "$GUESTS/dial.wasm" file /net/api
is "who listens no more refuses" "errno 14" "$(out)"
run "$KH" run "$GUESTS/dial.wasm" file /net/api
is "without a key there is no name" "errno 44" "$(out)"

# --- pipes -------------------------------------------------------------------------------
wat2wasm "$SOURCE/tests/tools/guests/cat.wat" -o cat.wasm
head -c 100000000 /dev/zero | tee >(cksum >went) |
	timeout 120 "$KH" run cat.wasm 2>"$WORK/err" |
	timeout 120 "$KH" run cat.wasm 2>>"$WORK/err" | cksum >came
is "100 MB through run | run" "$(cat went)" "$(cat came)"
timeout 60 "$KH" run cat.wasm </dev/zero 2>"$WORK/err" | timeout 60 "$KH" run cat.wasm \
	2>>"$WORK/err" | head -c 1000000 | cksum >came
is "and both end when the reader does" "$(head -c 1000000 /dev/zero | cksum)" "$(cat came)"
done_testing

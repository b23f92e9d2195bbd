#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# arm64.sh - a stopped domain moves between kinds of machine.
# usage: arm64.sh SOURCE_ROOT WORK_DIR NATIVE_STOP PROGRAM..      TAP on stdout
# Images written here go on as arm64 (a static program over kernel/ alone, under
# qemu-user), stop there again, come back and end here; and the other way round.
set -u
root=$1
work=$2/arm64
native=$3
shift 3
cross=aarch64-linux-gnu-gcc
qemu=qemu-aarch64-static

for tool in $cross $qemu; do
	command -v $tool >/dev/null || {
		echo "1..0 # SKIP $tool is not installed (packages gcc-aarch64-linux-gnu, qemu-user-static)"
		exit 0
	}
done
rm -rf "$work"
mkdir -p "$work/there" "$work/back" "$work/other" || exit 99
echo 1..4
number=0
result() { # STATUS NAME
	number=$((number + 1))
	[ "$1" = 0 ] || printf 'not '
	echo "ok $number - $2"
	[ "$1" = 0 ] || failed=1
}
failed=0

# exec_fast.c needs clang's tail calls; exec_one.c says that it is not there.
sources=$(find "$root/kernel" -name '*.c' ! -name exec_fast.c)
# shellcheck disable=SC2086
$cross -std=gnu17 -O1 -static -ffp-contract=off -fno-strict-aliasing -I "$root" \
	-o "$work/stop" "$root/tests/stop/stop.c" $sources \
	"$root/tests/support/fake_device.c" "$root/tests/support/fake_files.c" \
	"$root/tests/support/fake_net.c" \
	"$root/tests/support/fake_host.c" "$root/tests/support/say.c" \
	"$root/tests/support/test_caps.c" "$root/tests/support/wat.c" -lm || {
	echo "Bail out! the arm64 program was not built"
	exit 1
}

say() { sed 's/^/# /'; }
"$native" --write "$work/there" --stride 211 "$@" | say
$qemu "$work/stop" --pass "$work/there" "$work/back" >"$work/log" 2>&1
result $? "images written here go on as arm64 to equal ends"
say <"$work/log"
"$native" --read "$work/back" >"$work/log" 2>&1
result $? "stopped there again, they come back and end equal"
say <"$work/log"
$qemu "$work/stop" --write "$work/other" --stride 331 "$@" >"$work/log" 2>&1
result $? "arm64 writes images of its own"
"$native" --read "$work/other" >>"$work/log" 2>&1
result $? "they go on here to ends equal to arm64's"
say <"$work/log"
exit $failed

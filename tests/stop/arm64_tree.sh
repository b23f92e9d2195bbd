#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# arm64_tree.sh - a stopped tree of domains moves between kinds of machine.
# usage: arm64_tree.sh SOURCE_ROOT WORK_DIR NATIVE_FAMILY FAMILY.wasm     TAP on stdout
# Images written here at several steps go on as arm64 (a static program over
# kernel/ and caps/, under qemu-user), stop there again, come back, and come to
# the end of the straight run: one word, gas, final image, output.
set -u
root=$1
work=$2/arm64-tree
native=$3
guest=$4
cross=aarch64-linux-gnu-gcc
qemu=qemu-aarch64-static

for tool in $cross $qemu; do
	command -v $tool >/dev/null || {
		echo "1..0 # SKIP $tool is not installed (packages gcc-aarch64-linux-gnu, qemu-user-static)"
		exit 0
	}
done
rm -rf "$work"
mkdir -p "$work" || exit 99

# exec_fast.c needs clang's tail calls; exec_one.c says that it is not there.
sources=$(find "$root/kernel" "$root/caps" -name '*.c' ! -name exec_fast.c)
# shellcheck disable=SC2086
$cross -std=gnu17 -D_GNU_SOURCE -O1 -static -ffp-contract=off -fno-strict-aliasing -I "$root" \
	-o "$work/family" "$root/tests/stop/family.c" $sources \
	"$root/tests/support/fake_device.c" "$root/tests/support/fake_files.c" \
	"$root/tests/support/fake_net.c" \
	"$root/tests/support/fake_host.c" "$root/tests/support/say.c" \
	"$root/tests/support/house.c" -lm || {
	echo "Bail out! the arm64 program was not built"
	exit 1
}

want=$("$native" --run "$guest")
echo "# $want"
echo 1..5
number=0
failed=0
for step in 3 90 200 350 500; do
	number=$((number + 1))
	{ "$native" --write "$work/here" $step "$guest"; } 2>/dev/null # ends by SIGKILL
	$qemu "$work/family" --pass "$work/here" "$work/there" 60 &&
		got=$("$native" --read "$work/there")
	[ "$got" = "$want" ] || {
		printf 'not '
		failed=1
	}
	echo "ok $number - stopped at step $step, 60 steps as arm64, and back: $got"
done
exit $failed

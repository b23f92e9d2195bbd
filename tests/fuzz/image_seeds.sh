#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# image_seeds.sh - the first inputs of fuzz_image: each program of tests/stop,
# stopped here and there.
# usage: image_seeds.sh STOP CORPUS_FOLDER STAMP PROGRAM..
set -eu
stop=$1 corpus=$2/image stamp=$3
shift 3
work=$stamp.work
rm -rf "$work"
mkdir -p "$corpus" "$work"
"$stop" --write "$work" --stride 701 "$@" >/dev/null
for image in "$work"/*.image; do
	[ "$(wc -c <"$image")" -gt 65536 ] || cp "$image" "$corpus/"
done
rm -rf "$work"
: >"$stamp"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# seeds.sh - makes the first inputs of the fuzz targets.
# usage: seeds.sh RICH SOURCE_FOLDER CORPUS_FOLDER STAMP
# From text: tests/fuzz/seeds and tests/guests (.wat), by wat2wasm if it is
# there; the module of everything, by RICH. A module that is a seed of
# fuzz_module is as good a stream of decisions for fuzz_program.
set -eu
rich=$1 source=$2 corpus=$3 stamp=$4
mkdir -p "$corpus/module" "$corpus/program"
"$rich" >"$corpus/module/rich.wasm"
if command -v wat2wasm >/dev/null 2>&1; then
	for text in "$source"/fuzz/seeds/*.wat "$source"/guests/*.wat; do
		[ -f "$text" ] || continue
		wat2wasm "$text" -o "$corpus/module/$(basename "$text" .wat).wasm" 2>/dev/null ||
			echo "seeds.sh: $text is left out" >&2
	done
fi
cp "$corpus"/module/*.wasm "$corpus/program/"
mkdir -p "$corpus/entish"
cp --backup=numbered "$source"/entish/*/*.et "$corpus/entish/"
: >"$stamp"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tree_seeds.sh TREE_SEEDS CORPUS_FOLDER STAMP
set -eu
mkdir -p "$2/thaw"
"$1" "$2/thaw"
: >"$3"

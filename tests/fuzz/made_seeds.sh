#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# made_seeds.sh MAKER FOLDER STAMP - first inputs that a program of ours makes.
set -eu
mkdir -p "$2"
"$1" "$2"
: >"$3"

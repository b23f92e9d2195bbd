#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh - the official core scripts through spec_runner, as a TAP test.
# usage: run.sh SPEC_RUNNER BUILD_FOLDER SOURCE_ROOT [FOLDER]
# The scripts (.wast, WebAssembly/spec at v2.0.0, test/core) are looked for in
# FOLDER, else $KEYHOLD_SPEC, else shared/spec beside the source root; without
# them, or without wabt, the test is skipped (77) and says so.
set -u
runner=$1 build=$2/spec source_root=$3 folder=${4:-${KEYHOLD_SPEC:-}}
[ -n "$folder" ] || for folder in "$source_root/../shared/spec" "$source_root/../../shared/spec"; do
	[ -d "$folder" ] && break
done

skip() {
	echo "1..0 # SKIP $1"
	exit 77
}

ls "$folder"/i32.wast >/dev/null 2>&1 ||
	skip "needs spec: no core scripts in '$folder' (meson option spec, or KEYHOLD_SPEC)"
command -v wast2json >/dev/null 2>&1 || skip "needs wabt: wast2json is not installed"

mkdir -p "$build" || exit 99
echo "1..4"
scripts= converted=ok
for script in "$folder"/*.wast; do
	name=$(basename "$script" .wast)
	case $name in
	simd*) continue ;;
	esac
	json=$build/$name/$name.json
	scripts="$scripts $json"
	[ "$json" -nt "$script" ] && continue
	mkdir -p "$build/$name"
	source=$script
	case $name in
	table_fill | table_get | table_grow | table_set | table_size)
		# wabt 1.0.32 does not know that a table's index may be left out
		source=$build/$name/$name.wast
		sed -E 's/(table\.(fill|get|grow|set|size)) *([()])/\1 0 \3/g' "$script" >"$source"
		;;
	esac
	wast2json "$source" -o "$json.new" 2>"$build/$name/errors" && mv "$json.new" "$json" && continue
	sed "s/^/# $name: /" "$build/$name/errors" | head -n 5
	converted="not ok"
done
if [ "$converted" = ok ]; then echo "ok 1 - scripts convert"; else echo "not ok 1 - scripts convert"; fi

commands() { # NUMBER NAME OPTIONS..
	number=$1 what=$2
	shift 2
	# shellcheck disable=SC2086
	"$runner" "$@" $scripts >"$build/output" 2>&1
	code=$?
	sed 's/^/# /' "$build/output"
	sed -n 's/.*scripts: \([0-9]*\) commands run.*/\1/p' "$build/output" |
		awk '{ sum += $1 } END { print "# assertions: " sum }'
	if [ $code -eq 0 ]; then echo "ok $number - $what"; else echo "not ok $number - $what (exit $code)"; fi
}
commands 2 "commands, in both executors" --text wat2wasm --executor both
commands 3 "commands, stopped and moved to the other executor" --executor switch --stops 2

# A runner that cannot fail shows nothing: one result of a script is changed.
mkdir -p "$build/planted"
cp "$build"/fac/*.wasm "$build/planted/"
sed 's/7034535277573963776/7034535277573963777/' "$build/fac/fac.json" >"$build/planted/fac.json"
if "$runner" --executor switch "$build/planted/fac.json" >"$build/planted/output" 2>&1; then
	echo "not ok 4 - a planted wrong result is found"
else
	echo "ok 4 - a planted wrong result is found"
fi

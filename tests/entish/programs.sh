#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# programs.sh KEYHOLD ENTISH FOLDER: every program of programs/ prints what its .out
# says (its .in is standard input, `# args:` its arguments; the last line of .out is
# the exit code), every one of errors/ is refused with the words of its .txt, those of
# cost/ cost what theirs says, what is too much of something (limits.sh) is told, and
# what `entish fmt` makes of a program means the same and stays as it is.
# KH_GOLDEN=write writes what is expected anew.
keyhold=$(realpath "$1") entish=$(realpath "$2") folder=$3 n=0 bad=0
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
is() { # NAME EXPECTED GOT
	n=$((n + 1))
	if [ "$KH_GOLDEN" = write ]; then cp "$3" "$2"; fi
	if diff -u "$2" "$3" > "$work/diff" 2>&1; then echo "ok $n - $1"; else
		bad=1; sed 's/^/# /' "$work/diff"; echo "not ok $n - $1"; fi
}
run() { # FILE OUT
	local in=${1%.et}.in; [ -f "$in" ] || in=/dev/null
	local args; args=$(sed -n 's/^# args: *//p' "$1" | head -1)
	timeout 100 "$keyhold" run --quiet "$1" $args < "$in" > "$2" 2>&1; echo "exit $?" >> "$2"
}
cd "$folder"
for file in programs/*.et; do
	run "$file" "$work/out"
	is "$file" "${file%.et}.out" "$work/out"
	cp programs/*.et "$work"; cp "${file%.et}.in" "$work" 2>/dev/null
	copy=$work/$(basename "$file")
	"$entish" fmt "$copy" > "$work/words" 2>&1
	run "$copy" "$work/again"
	sed -i "s#$work/#programs/#g" "$work/again"
	KH_GOLDEN= is "$file formatted" "${file%.et}.out" "$work/again"
	"$entish" fmt --check "$copy" > "$work/words" 2>&1; echo "exit $?" >> "$work/words"
	echo "exit 0" > "$work/fine"
	KH_GOLDEN= is "$file formatted once more" "$work/fine" "$work/words"
done
for file in errors/*.et; do
	"$entish" check "$file" > "$work/out" 2>&1; echo "exit $?" >> "$work/out"
	is "$file" "${file%.et}.txt" "$work/out"
done
for file in cost/*.et; do
	"$entish" cost "$file" > "$work/out" 2>&1; echo "exit $?" >> "$work/out"
	is "$file" "${file%.et}.txt" "$work/out"
done
bash limits.sh "$entish" > "$work/out"
is "what is too much" errors/limits.txt "$work/out"
"$entish" repl < session.txt > "$work/out" 2>&1; echo "exit $?" >> "$work/out"
is "entish repl" session.out "$work/out"
echo "1..$n"
exit $bad

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# words.sh KEYHOLD SOURCE - what the command line says, held against golden texts.
# KH_GOLDEN=write writes them anew.
KH=$1
SOURCE=$2
. "$SOURCE/tests/tools/lib.sh"
golden=$SOURCE/tests/golden

text() { # NAME CMD..: both streams and the status
	name=$1
	shift
	run "$@"
	{
		sed 's/^/1: /; s/ $//' out
		sed 's/^/2: /; s/ $//' err
		echo "= $status"
	} >got
	if [ "${KH_GOLDEN-}" = write ]; then cp got "$golden/$name.txt"; fi
	diff -u "$golden/$name.txt" got >diff
	ok "$name"
	[ -s diff ] && sed 's/^/# /' diff
}

"$KH" >lines
is "eight lines without arguments" 8 "$(wc -l <lines)"
is "three of them are examples" 3 "$(grep -c '^  keyhold ' lines)"
[ -z "$(awk 'length > 100' lines)" ]
ok "none is longer than a terminal is wide"

text help "$KH" help
text help-run "$KH" run --help
text help-resume "$KH" help resume
text help-inspect "$KH" inspect --help
text command-unknown "$KH" rnu
text command-far "$KH" frobnicate
: >x.bin
text command-file "$KH" x.bin
text option-unknown "$KH" run --gass 5 x.wasm
text option-value "$KH" run --gas
text gas-unit "$KH" run --gas 5X x.wasm
text timeout-unit "$KH" run --timeout 5 x.wasm
text resume-gas "$KH" resume --gas 5M x.khi
text snapshot-when "$KH" run --snapshot-on never=x x.wasm
text key-later "$KH" run --key http:https://example.com/ x.wasm
text key-limit "$KH" run --key "dir:.,rate=0" x.wasm
text key-twice "$KH" run --dir a --dir a x.wasm
text env-name "$KH" run --env =x x.wasm
text run-what "$KH" run
text file-missing "$KH" run no-such.wasm
text file-empty "$KH" run x.bin
text snapshot-place "$KH" run --snapshot-on gas=no-such/x x.bin
text report-place "$KH" run --report no-such/x x.bin
text doctor-what "$KH" doctor x.bin
text file-directory "$KH" run .
text dir-missing "$KH" run --dir no-such x.bin
text file-key-missing "$KH" run --key file:no-such x.bin
text resume-two "$KH" resume x.bin arg
text inspect-two "$KH" inspect x.bin y.bin
text inspect-neither "$KH" inspect --json x.bin
text report-and-image "$KH" run --snapshot-on gas=- --report - x.bin
text template-what "$KH" template frob
text template-make "$KH" template make x x.bin
text template-until "$KH" template make x x.bin --until never --templates t
text template-name "$KH" template make ../x x.bin --until stdin
text exec-what "$KH" exec
text exec-missing "$KH" exec --templates t nothing
text help-template "$KH" help template
text help-exec "$KH" help exec
text help-replay "$KH" help replay
text replay-edge "$KH" replay --edge x x.khr
text replay-snapshot "$KH" replay --snapshot x x.bin
text replay-none "$KH" replay x.bin
text completion-which "$KH" completion tcsh

many=
for i in $(seq 130); do many="$many --key k$i=dir:."; done
# shellcheck disable=SC2086
run "$KH" run $many x.bin
is "there is a limit on keys" "64 keyhold: more than 128 keys" "$status $(err)"
if command -v python3 >/dev/null; then
	python3 - "$KH" >out 2>&1 <<'END'
import os, pty, sys
pty.spawn([sys.argv[1], "run", "--snapshot-on", "gas=-", "x.bin"])
END
	grep -q 'standard output is a terminal; an image is no text: name a file' out
	ok "an image is not written to a terminal"
fi
run "$KH" --version
is "the version is one line on standard output" "keyhold" "$(cut -d' ' -f1 out)"
run "$KH" version --json
is "and JSON" 1 "$(field out 'r["v"]')"
for shell in bash zsh fish; do
	"$KH" completion $shell >script
	if command -v $shell >/dev/null; then
		$shell -n script
		ok "the $shell completion is a $shell script"
	else
		skip "the $shell completion is a $shell script" "$shell is not here"
	fi
	! grep -q executor script
	ok "the $shell completion shows no hidden option"
done
"$KH" completion bash >script
is "bash completes options" "--gas" "$(bash -c '. ./script
	COMP_WORDS=(keyhold run --ga) COMP_CWORD=2; _keyhold; echo "${COMPREPLY[@]}"')"
is "bash completes commands" "resume" "$(bash -c '. ./script
	COMP_WORDS=(keyhold resu) COMP_CWORD=1; _keyhold; echo "${COMPREPLY[@]}"')"
"$KH" help run >/dev/full 2>err
is "help that could not be written is a failure" 74 $?
grep -q 'standard output: No space left' err
ok "and says so"
done_testing

# SPDX-License-Identifier: Apache-2.0
# lib.sh - what the end-to-end tests share: a TAP line a check.
# usage: . lib.sh, after KH (the program) and SOURCE (the tree) are set
set -u
KH=$(realpath "$KH") && SOURCE=$(realpath "$SOURCE") || exit 99
tap_n=0
tap_bad=0
WORK=$(mktemp -d) || exit 99
trap 'rm -rf "$WORK"' EXIT
cd "$WORK" || exit 99

# run CMD..: its status in $status, its output in $WORK/out and $WORK/err
run() {
	"$@" >"$WORK/out" 2>"$WORK/err" </dev/null
	status=$?
}

ok() { # NAME, after a test command: is "$?" zero?
	tap_last=$?
	tap_n=$((tap_n + 1))
	if [ "$tap_last" -eq 0 ]; then
		echo "ok $tap_n - $1"
	else
		tap_bad=$((tap_bad + 1))
		echo "not ok $tap_n - $1"
		echo "# status ${status-}"
		sed 's/^/# out: /' "$WORK/out" | head -20
		sed 's/^/# err: /' "$WORK/err" | head -20
	fi
}

is() { # NAME WANTED GOT
	[ "$2" = "$3" ]
	ok "$1"
	[ "$2" = "$3" ] || printf '# wanted %s\n# got    %s\n' "$2" "$3"
}

skip() { # NAME WHY
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1 # SKIP $2"
}

out() { cat "$WORK/out"; }
err() { cat "$WORK/err"; }

# field FILE EXPRESSION: of a report, as python sees it ("r" is the object)
field() {
	python3 -IS -c 'import json,sys; r=json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}

done_testing() {
	echo "1..$tap_n"
	[ "$tap_bad" -eq 0 ]
	exit
}

# The worker of this keyhold, as soon as it is born; nothing if that never comes.
worker_of() { # JOB
	local worker=
	while [ -z "$worker" ] && kill -0 "$1"; do
		worker=$(tr -d ' ' <"/proc/$1/task/$1/children" 2>/dev/null)
	done
	echo "$worker"
}

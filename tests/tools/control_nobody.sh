#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# control_nobody.sh KEYHOLD SOURCE LIVE.wasm [net] - control.py, or control_net.py, as an
# unprivileged user.
set -- "$(realpath "$1")" "$(realpath "$2")" "$(realpath "$3")" ${4:+"$4"}
script=$2/tests/tools/control${4:+_$4}.py
args=("$1" "$2" "$3" /none)
[ -z "$4" ] || args=("$1" "$3" /none)
if [ "$(id -u)" -ne 0 ]; then
	exec "$script" "${args[@]}" # it is one already
fi
run=(setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp TMPDIR=/tmp)
if ! "${run[@]}" test -x "$1" -a -r "$3" -a -r "$script"; then
	echo "1..0 # SKIP user 65534 may not read the build"
	exit 0
fi
cd /tmp && exec "${run[@]}" python3 "$script" "${args[@]}"

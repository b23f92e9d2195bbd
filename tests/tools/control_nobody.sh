#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# control_nobody.sh KEYHOLD SOURCE LIVE.wasm - control.py as an unprivileged user.
if [ "$(id -u)" -ne 0 ]; then
	exec "$2/tests/tools/control.py" "$1" "$2" "$3" /none # it is one already
fi
run=(setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp TMPDIR=/tmp)
if ! "${run[@]}" test -x "$1" -a -r "$3" -a -r "$2/tests/tools/control.py"; then
	echo "1..0 # SKIP user 65534 may not read the build"
	exit 0
fi
cd /tmp && exec "${run[@]}" python3 "$2/tests/tools/control.py" "$1" "$2" "$3" /none

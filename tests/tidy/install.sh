#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install.sh - what tools/dev does about missing packages, as a TAP test: with a
# package list that is empty, an apt-get that only takes notes, and a sudo that asks.
# usage: install.sh SOURCE_ROOT
set -u
source_root=$(cd "$1" && pwd) || exit 99
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
n=0
bad=0

ok() { # NAME, after a test command
	[ $? -eq 0 ] && word=ok || { word="not ok" bad=1; }
	n=$((n + 1))
	echo "$word $n - $1"
}

# A copy, for the tree may lie where nobody cannot go.
mkdir -p "$work/tree/tools/dev" "$work/bin" "$work/notes"
cp "$source_root/tools/dev/common.sh" "$work/tree/tools/dev/"
cat >"$work/tree/tools/dev/try" <<'END'
#!/bin/bash
. "$(dirname "$0")/common.sh"
[ "${1-}" = --no-install ] && install=no
packages_ensure one two
echo "went on"
END
printf '#!/bin/sh\nexit 1\n' | tee "$work/bin/dpkg-query" >"$work/bin/sudo"
printf '#!/bin/sh\necho "$*" >>"%s"\nexit 1\n' "$work/notes/apt" >"$work/bin/apt-get"
chmod -R a+rX "$work"
chmod a+rx "$work"/bin/* "$work/tree/tools/dev/try"
chmod a+rwx "$work/notes"

as() { # WHO ARGUMENT..: runs `try`; its output in $out, its status in $status
	who=$1
	shift
	set -- env PATH="$work/bin:$PATH" "$work/tree/tools/dev/try" "$@"
	[ "$who" = root ] || [ "$(id -u)" -ne 0 ] ||
		set -- setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	rm -f "$work/notes/apt"
	out=$("$@" 2>&1 </dev/null)
	status=$?
}

as nobody
[ $status -eq 69 ]
ok "who may not install anything gets 69"
grep -q "sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends one two '" <<<"$out"
ok "and the line to paste"
[ ! -e "$work/notes/apt" ] && ! grep -q 'went on' <<<"$out"
ok "nothing was installed, nor gone on with"
as nobody --no-install
[ $status -eq 0 ] && grep -q 'missing packages: one two' <<<"$out" && [ ! -e "$work/notes/apt" ]
ok "--no-install names what is missing and goes on"
if [ "$(id -u)" -eq 0 ]; then
	as root
	[ $status -eq 69 ] && grep -q '^install -y .*one two' "$work/notes/apt"
	ok "root's apt is asked; when it cannot, that is 69 too"
	grep -q '^    apt-get update && apt-get install .* one two' <<<"$out"
	ok "with the line to paste"
fi
echo "1..$n"
exit $bad

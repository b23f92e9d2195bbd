# SPDX-License-Identifier: Apache-2.0
# common.sh - what demo and test share: packages, messages, where things are.
# Sourced by bash from the scripts beside it.

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." || exit 70
root=$PWD
install=yes
jobs=$(nproc)

# Debian 12 names. Each list says what cannot be done without it.
packages_build="gcc libc6-dev clang lld meson ninja-build pkg-config libedit-dev"
packages_build="$packages_build libjansson-dev libseccomp-dev liburing-dev libc-ares-dev"
packages_guest="wasi-libc libclang-rt-dev-wasm32 wabt"
packages_test="libcriterion-dev llvm gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
	strace python3 binutils util-linux dpkg-dev libc++-14-dev-wasm32 libc++abi-14-dev-wasm32
	rustc libstd-rust-dev-wasm32 tcl"

say() { printf '%s\n' "$*"; }
complain() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# step TEXT COMMAND..: runs it quietly; its output is shown when it fails.
step() {
	local text=$1 log status began=$SECONDS
	shift
	log=$(mktemp)
	"$@" >"$log" 2>&1 </dev/null
	status=$?
	if [ $status -eq 0 ]; then
		say "ok    $text ($((SECONDS - began)) s)"
	else
		say "FAIL  $text: exit $status of: $*"
		tail -n 60 "$log" | sed 's/^/      /'
	fi
	rm -f "$log"
	return $status
}

packages_missing() {
	local name state
	for name in "$@"; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)
		[ "$state" = installed ] || printf '%s ' "$name"
	done
}

# packages_ensure PACKAGE..: installs what is missing as root or with `sudo -n`;
# where neither can be, prints the line to paste and exits 69, nothing changed.
# With --no-install it only says what is missing.
packages_ensure() {
	local missing as_root line
	if ! command -v dpkg-query >/dev/null; then
		complain "this is not a Debian system, so it is not known what is missing; needed:" "$@"
		[ $install = no ] && return 0
		exit 69
	fi
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	say "missing packages: $missing"
	[ $install = yes ] || return 0
	line="apt-get update && apt-get install -y --no-install-recommends $missing"
	if [ "$(id -u)" = 0 ]; then
		as_root=env
	elif sudo -n /bin/true 2>/dev/null; then
		as_root="sudo -n env"
	else
		complain "cannot install them: not root, and sudo would ask. Paste this, then run again:"
		say "    sudo sh -c '$line'"
		exit 69
	fi
	# shellcheck disable=SC2086
	step "installing with apt" $as_root DEBIAN_FRONTEND=noninteractive sh -c "
		apt-get install -y --no-install-recommends $missing || { $line; }" && return 0
	complain "apt could not install them. Paste this as root to see why, then run again:"
	say "    $line"
	exit 69
}

need_command() { # NAME..: exit 69 when one is not there
	local name
	for name in "$@"; do
		command -v "$name" >/dev/null && continue
		complain "needs $name, which is not here; run it without --no-install, or install it"
		exit 69
	done
}

# configured DIR MESON-ARGUMENTS..: a build folder that exists and is configured so.
configured() {
	local dir=$1
	shift
	if [ -f "$dir/build.ninja" ]; then
		meson configure "$dir" $(printf '%s\n' "$@" | grep '^-D') >/dev/null
	else
		meson setup "$dir" "$@"
	fi
}

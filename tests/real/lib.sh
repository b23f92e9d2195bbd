# SPDX-License-Identifier: Apache-2.0
# lib.sh - what the recipes share. Sourced by bash, by tests/real/build only.
# A recipe is a function recipe_NAME that leaves $out/NAME.wasm; it runs in an
# empty folder of its own. It exits 77 after `absent WHAT` when something it
# needs is not to be had here.

absent() {
	echo "absent: $*"
	exit 77
}

CC_WASM="clang --target=wasm32-wasi -O2 -c"

# Linked without -O: with it, clang calls wasm-opt, and binaryen 108 refuses an
# exported mutable global.
link_wasm() { # OUTPUT ARGUMENT..
	local output=$1
	shift
	clang --target=wasm32-wasi -o "$output" "$@"
}

# apt_source PACKAGE UPSTREAM-VERSION: Debian's source, unpacked in ./PACKAGE.
# The list of sources is derived from the system's own, and everything apt
# writes stays below $out/apt: the system's configuration is not touched.
apt_source() {
	local package=$1 version=$2 apt=$out/apt dsc
	command -v apt-get >/dev/null && command -v dpkg-source >/dev/null ||
		absent "deb-src (no apt-get or dpkg-source)"
	(
		flock 9
		mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/list.d"
		if [ -z "$(find "$apt/updated" -mmin -720 2>/dev/null)" ]; then
			apt_config "$apt"
			apt-get -c "$apt/conf" update && : >"$apt/updated"
		fi
	) 9>"$out/apt.lock" || absent "deb-src (apt-get update failed)"
	apt-get -c "$out/apt/conf" source --download-only "$package" || absent "deb-src ($package)"
	dsc=$(ls "${package}"_*.dsc) || absent "deb-src ($package)"
	case $dsc in
	"${package}_$version"*) ;;
	*)
		echo "recipe is for $package $version, Debian now has $dsc"
		exit 1
		;;
	esac
	dpkg-source --no-check -x "$dsc" "$package"
}

apt_config() { # FOLDER: a configuration of apt that lives in FOLDER
	local apt=$1 code file
	code=$(. /etc/os-release && echo "$VERSION_CODENAME")
	cat >"$apt/conf" <<-EOF
		Dir::Etc::SourceList "$apt/none.list";
		Dir::Etc::SourceParts "$apt/list.d";
		Dir::State::Lists "$apt/lists";
		Dir::Cache "$apt/cache";
		APT::Sandbox::User "$(id -un)";
		Acquire::Languages "none";
	EOF
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$file" ] || continue
		# deb [OPTIONS] URI SUITE COMPONENT.., of this release, as sources.
		sed -nE "s/^deb(-src)?\s+((\[[^]]*\]\s+)?\S+\s+$code(-updates|-security)?\s.*)/deb-src \2/p" \
			"$file" | sort -u >"$apt/list.d/$(basename "$file" .list).list"
	done
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -f "$file" ] || continue
		# Stanzas whose suites are this release's, as sources.
		awk -v code="$code" 'BEGIN { RS = ""; ORS = "\n\n" }
			$0 ~ "\nSuites:[^\n]*[ \t]" code "(-updates|-security)?([ \t\n]|$)" {
				sub(/Types:[^\n]*/, "Types: deb-src"); print }' \
			"$file" >"$apt/list.d/$(basename "$file")"
	done
}

# npm_fetch PACKAGE@VERSION: unpacked in ./package. Runs no install script.
npm_fetch() {
	command -v npm >/dev/null || absent "npm"
	npm pack --silent --ignore-scripts "$1" >packed || absent "npm ($1)"
	tar -xf "$(tail -n 1 packed)"
}

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tidy.sh - what a reader of the tree may rely on, as a TAP test.
# usage: tidy.sh SOURCE_ROOT
# Every check runs twice: on the tree, where it must find nothing, and on a
# planted fault, which it must find.
set -u
here=$(cd "$(dirname "$0")" && pwd)
source_root=$(cd "$1" && pwd) || exit 99
plant=$(mktemp -d) || exit 99
trap 'rm -rf "$plant"' EXIT

files() { # PATTERN..: files of the tree below . whose names match
	set -f
	names=
	for pattern in "$@"; do
		names="$names${names:+ -o }-name $pattern"
	done
	# shellcheck disable=SC2086
	find . -path './.git' -prune -o -path './b-*' -prune -o -path './build*' -prune -o \
		-type f \( $names \) -print | sed 's|^\./||' | sort
	set +f
}

sources() {
	files '*.c' '*.h' '*.def' 'meson*.*' '*.sh' '*.awk' '*.py' '*.js' '*.wat' '*.cc' '*.rs' '*.ts'
	find tools tests .ci -type f -perm -u+x ! -name '*.*' 2>/dev/null | sort
}

text() {
	sources
	files '*.md' '*.txt' | grep -v '^LICENSE'
}

# Each check prints what it found, one line a fault, and nothing when all is well.

check_layers() {
	code=$(files '*.c' '*.h' '*.def')
	[ -z "$code" ] || awk -f "$here/layers.awk" "$here/layers.txt" $code
}

check_licence() { # empty files have no line to carry it
	awk 'FNR == 1 { tell(); seen = 0; file = FILENAME }
		FNR <= 3 && /SPDX-License-Identifier: Apache-2.0/ { seen = 1 }
		END { tell() }
		function tell() { if (file != "" && !seen) print file ": no SPDX line in the first three" }' \
		$(sources) /dev/null
}

check_blanks() {
	awk '/[ \t]$/ { print FILENAME ":" FNR ": blanks at the end of a line" }' $(text) /dev/null
}

check_long() { # a tab reaches to the next eight
	awk 'length($0) > 15 {
			columns = 0
			parts = split($0, part, "\t")
			for (i = 1; i <= parts; i++) {
				columns += length(part[i])
				if (i < parts)
					columns += 8 - columns % 8
			}
			if (columns > 120)
				print FILENAME ":" FNR ": " columns " columns (120 at most)"
		}' $(sources) /dev/null
}

check_places() { # of one machine, or of a package registry: neither belongs in the tree
	grep -nHE '/wor[k]/|/root/[.]|/hom[e]/[a-z]|deb[.]debian|registry[.]npmjs|crates[.]io|pypi[.]org' \
		$(text) /dev/null | sed 's/\(:[0-9]*\):/\1: a place that is not everywhere: /'
}

check_ids() { # every invariant a must() cites stands in docs/invariants.md
	code=$(files '*.c' '*.h' | grep -v '^tests/')
	[ -n "$code" ] || return 0
	known=$(grep -oE '\b[A-Z]+[0-9]+\b' docs/invariants.md 2>/dev/null | sort -u | tr '\n' ' ')
	grep -nHoE '\bmust\([A-Z]+[0-9]+,' $code | sed 's/must(//; s/,$//' |
		while IFS=: read -r file line id; do
			case " $known " in *" $id "*) continue ;; esac
			echo "$file:$line: $id is not in docs/invariants.md"
		done
}

plant_layers() { mkdir -p kernel && printf '#include "caps/caps.h"\n#include <unistd.h>\n' >kernel/bad.c; }
plant_licence() { echo 'int x;' >bad.c; }
plant_blanks() { printf 'int x; \n' >bad.c; }
plant_long() { awk 'BEGIN { printf "\t"; for (i = 0; i < 113; i++) printf "x"; print "" }' >bad.c; }
plant_places() { printf 'see /%s/notes\n' work >bad.md; }
plant_ids() { mkdir -p kernel docs && echo 'must(NOSUCH1, x);' >kernel/bad.c && : >docs/invariants.md; }

number=0
failed=0
result() { # FAULTS NAME: passes when FAULTS is empty
	number=$((number + 1))
	if [ -z "$1" ]; then
		echo "ok $number - $2"
	else
		failed=1
		echo "$1" | sed 's/^/# /'
		echo "not ok $number - $2"
	fi
}

checks="layers licence blanks long places ids"
echo "1..$(($(echo $checks | wc -w) * 2))"
for check in $checks; do
	cd "$source_root" || exit 99
	if [ $check = ids ] && [ ! -f docs/invariants.md ]; then
		number=$((number + 1))
		echo "ok $number - $check # SKIP docs/invariants.md is not written yet"
	else
		result "$(check_$check)" $check
	fi
	mkdir "$plant/$check" && cd "$plant/$check" || exit 99
	plant_$check
	found=$(check_$check)
	result "$([ -n "$found" ] || echo "the planted fault was not found")" "$check finds a planted fault"
done
exit $failed

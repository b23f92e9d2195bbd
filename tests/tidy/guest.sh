#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# guest.sh - what guests are told is what the kernel's tables say, as a TAP test:
# every number of caps/guest.h both ways, and the tables of docs/guest.md.
# usage: guest.sh SOURCE_ROOT
cd "$1" || exit 99
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
test=0

compare() { # NAME FILE FILE
	test=$((test + 1))
	if diff "$2" "$3" >"$work/diff"; then
		echo "ok $test - $1"
	else
		sed 's/^/# /' "$work/diff"
		echo "not ok $test - $1"
	fi
}

section() { # ENUM: its enumerators as "NAME VALUE"
	awk -v begin="^enum $1 [{]" '
		$0 ~ begin { on = 1; next }
		on && /^};/ { exit }
		on && /=/ { gsub(/[,\t]|\(int\)/, ""); split($0, part, " = "); print part[1], part[2] }
	' caps/guest.h | sed 's/1 << //'
}

echo 1..5
tools/dev/guest_tables.sh . rows >"$work/rows"
sed -n 's/^order //p' "$work/rows" | tr a-z A-Z | sed 's/0XF/0xf/; s/FFE/ffe/' |
	sort >"$work/orders"
section kh_order | grep -v '^KH_ORDER_' | sed 's/^KH_//' | sort >"$work/said"
compare "orders of caps/guest.h" "$work/orders" "$work/said"

sed -n 's/^rc //p' "$work/rows" | sort >"$work/rcs"
section kh_rc | sed 's/^KH_\(RC_\)*//' | sort >"$work/said"
compare "answers of caps/guest.h" "$work/rcs" "$work/said"

sed -n 's/^right //p' "$work/rows" | tr a-z A-Z | sort >"$work/rights"
section kh_right | sed 's/^KH_RIGHT_//' | sort >"$work/said"
compare "rights of caps/guest.h" "$work/rights" "$work/said"

stops() { # FILE ENUM PREFIX
	awk -v begin="^enum $2 [{]" '$0 ~ begin { on = 1; next } on && /^};/ { exit } on' "$1" |
		grep -o "$3[A-Z_]*" | sed "s/^$3//" | grep -v -e '^COUNT$' -e '^STEPPED$'
}
stops kernel/world.h stop_reason STOP_ >"$work/stops"
stops caps/guest.h kh_stop KH_STOP_ >"$work/said"
compare "stops of caps/guest.h, in order" "$work/stops" "$work/said"

tools/dev/guest_tables.sh . >"$work/tables"
sed -n '/^<!-- tables/,/^<!-- end of tables/p' docs/guest.md | sed '1d;$d' >"$work/said"
compare "tables of docs/guest.md (tools/dev/guest_tables.sh . writes them)" \
	"$work/tables" "$work/said"

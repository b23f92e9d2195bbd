#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# guest_tables.sh - the tables of kinds, rights, orders and answers as Markdown: what
# docs/guest.md has between its two marks.
# usage: guest_tables.sh SOURCE_ROOT [rows]
# With `rows`: the numbers alone, as tests/tidy/guest.sh compares them.
cd "$1" || exit 1

awk -v rows="${2-}" '
FNR == 1 { row = "" }
/^(ORDER|KIND|RC|RIGHT)\(/ { row = "" ; open = 1 }
open {
	gsub(/^[ \t]+/, "")
	row = row (row == "" ? "" : " ") $0
	if (/"\)$/) { open = 0; take(row) }
}
function trim(text) { gsub(/^[ \t]+|[ \t]+$/, "", text); return text }
function take(text,    quoted, head) {
	split(text, quoted, "\"")
	split(substr(quoted[1], index(quoted[1], "(") + 1), head, ",")
	if (text ~ /^ORDER/)
		order(trim(head[1]), trim(head[2]), trim(head[3]), trim(head[4]), quoted[2], quoted[4],
			quoted[6])
	else if (text ~ /^KIND/) {
		kinds[++kinds_count] = trim(head[1]); can[trim(head[1])] = quoted[2]
	} else if (text ~ /^RC/) {
		name = "KH_" (head[1] == "VOID" ? "RC_" : "") trim(head[1])
		rcs = rcs "| " trim(head[2]) " | `" name "` | " quoted[2] " |\n"
		numbers = numbers "rc " trim(head[1]) " " trim(head[2]) "\n"
	} else {
		name = "KH_RIGHT_" toupper(trim(head[1]))
		rights = rights "| " trim(head[2]) " | `" name "` | " quoted[2] " |\n"
		numbers = numbers "right " trim(head[1]) " " trim(head[2]) "\n"
	}
}
function order(kind, name, number, right, takes, gives, what) {
	gsub(/RIGHT_/, "", right)
	if (right == "0") right = ""
	orders[kind] = orders[kind] "| " number " | `KH_" toupper(kind) "_" toupper(name) "` | " \
		right " | " takes " | " gives " | " what " |\n"
	numbers = numbers "order " kind "_" name " " number "\n"
}
END {
	if (rows != "") { printf "%s", numbers; exit }
	print "### Answers\n\n| number | name | says |\n|---|---|---|\n" rcs
	print "### Rights\n\n| bit | name | allows |\n|---|---|---|\n" rights
	print "### Kinds and their orders\n"
	for (i = 1; i <= kinds_count; i++) {
		kind = kinds[i]
		print "#### " kind "\n\n" toupper(substr(can[kind], 1, 1)) substr(can[kind], 2) ".\n"
		if (orders[kind] != "")
			print "| order | name | right | takes | gives | does |\n" \
				"|---|---|---|---|---|---|\n" orders[kind]
	}
}' caps/kinds.def caps/rc.def caps/rights.def caps/orders.def

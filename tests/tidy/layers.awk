# SPDX-License-Identifier: Apache-2.0
# layers.awk - fail when a file includes a header its room may not see.
# usage: awk -f layers.awk layers.txt FILE..   (paths from the source root)

FNR == NR {
	if ($0 ~ /^#/ || NF == 0)
		next
	if ($1 == "libc") {
		for (i = 2; i <= NF; i++)
			libc[$i] = 1
		next
	}
	room[$1] = 1
	for (i = 2; i <= NF; i++)
		may[$1, $i] = 1
	next
}

# The nearest folder above the file that the table has; "" for tools and tests.
function room_of(path) {
	while (sub(/\/[^\/]*$/, "", path))
		if (path in room)
			return path
	return ""
}

function complain(what) {
	printf "%s:%d: %s may not include %s\n", FILENAME, FNR, here, what
	bad = 1
}

FNR == 1 { here = room_of(FILENAME) }

here != "" && /^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	to = part[2]
	there = room_of(to)
	if (there == here || (here, there) in may || (here, to) in may)
		next
	complain("\"" to "\"")
}

here != "" && /^[ \t]*#[ \t]*include[ \t]*</ {
	if ((here, "linux") in may)
		next
	split($0, part, /[<>]/)
	if (!(part[2] in libc))
		complain("<" part[2] ">")
}

END { exit bad }

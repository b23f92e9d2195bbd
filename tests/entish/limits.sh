#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limits.sh ENTISH: what the compiler says of programs that are too much of something.
# Written to standard output; limits.txt beside the programs of errors/ has it.
entish=$1
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
cd "$work"
times() { # COUNT TEXT: the text so often, @ is the number
	for ((i = 1; i <= $1; i++)); do printf '%s' "${2//@/$i}"; done
}
tells() { # NAME: of the program on standard input
	cat > "$1.et"
	echo "$1"
	timeout 60 "$entish" check "$1.et" 2>&1 | grep -v '^ .*|' | head -4
}
times 1001 $'v@ = @\n' | tells variables
{ printf 'def f(%sz):\n    return z\nf(1)\n' "$(times 32 'a@, ')"; } | tells parameters
{ printf 'def f(x):\n    return x\nf(%s0)\n' "$(times 40 '1, ')"; } | tells arguments
{ printf 'typ r {%su z}\nprint(1)\n' "$(times 28 'u f@, ')"; } | tells fields
{ printf 'typ r0 {u a}\n'
	for ((i = 1; i <= 65; i++)); do printf 'typ r%s {r%s a, r%s b}\n' $i $((i - 1)) $((i - 1)); done
	printf 'print(1)\n'; } | tells records
{ printf 'a = key("stdout")\ndef f(x):\n    return x\n'
	times 8 $'k@ = a\n'; printf 'print(f<5, 5%s, a>(1))\n' "$(times 8 ', k@')"; } | tells keys
{ printf 'x0 = 1\n'; for ((i = 1; i <= 45; i++)); do printf 'x%s = [x%s]\n' $i $((i - 1)); done; } | tells lists
{ printf 'x = {%s0}\n' "$(times 28 '1, ')"; } | tells tuple
{ printf 'def f() -> (%su):\n    pass\nf()\n' "$(times 28 'u, ')"; } | tells results
{ for ((i = 0; i < 100; i++)); do printf '%*sif x:\n' $i ''; done; printf '%100spass\n' ''; } | tells blocks
{ printf 'x = %s1\n' "$(times 251 '(')"; } | tells brackets
{ printf 'def f(x):\n    return x\n'; printf 'x = f(1)%s\n' "$(times 201 '.a')"; } | tells chain
{ times 257 $'def f@(x):\n    return x\n'; times 257 $'f@<5, 5>(1)\n'; } | tells entries
{ for ((i = 1; i <= 140; i++)); do printf 'def f%s(x):\n    return f%s(x)\n' $i $((i + 1)); done
	printf 'def f141(x):\n    return x\nf1(1)\n'; } | tells types
{ for ((i = 1; i <= 140; i++)); do printf 'def f%s(int x) -> (int):\n    return f%s(x)\n' $i $((i + 1)); done
	printf 'def f141(int x) -> (int):\n    return y\nprint(f1(1))\n'; } | tells written
times 3100 $'def f@(int x) -> (int):\n    return x\n' | tells functions
{ for ((i = 1; i <= 58; i++)); do
		printf 'def f%s(x):\n' $i
		for ((k = 1; k < 20; k++)); do printf '%*sif x > 0:\n' $k ''; done
		printf '%*sreturn f%s(x)\n return 1\n' 20 '' $((i + 1))
	done
	printf 'def f59(x):\n l = [x]\n return l[0]\nprint(f1(1))\n'; } | tells calls
for i in $(seq 70); do printf 'def f():\n    pass\n' > "m$i.et"; done
times 70 $'import m@\n' | tells imports
{ head -c 1100000 /dev/zero | tr '\0' '#'; } | tells length
{ printf 'def f(x):\n'; times 30000 $' y=x+x+x+x+x\n'; printf ' return x\n'
	for x in 1 1.5 '"a"' '[1]' '[1.5]' '["a"]' '[[1]]' '[[1.5]]' '[["a"]]' 'b"a"'; do
		echo "f($x)"
	done; } | tells size
echo entries of repl
long=$(head -c 60000 /dev/zero | tr '\0' a)
{ for i in $(seq 18); do echo "x$i = \"$long\""; done; echo 'x17.len()'; } | timeout 60 "$entish" repl 2>&1 |
	grep -v aaa | head -4

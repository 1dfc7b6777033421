#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Static analysis: what gcc's and clang's analysers and the kernel's own semantic patches
# say of the drivers, and gcc's of the programs, too. Each is shown a mistake.
#
# sparse is in tests/style.sh. smatch is not packaged. clang's analyser takes two minutes
# for the programs, and what it says of them is none: memory that is not given back at the
# end, and paths that nobody takes.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

# A copy of the labs in which each driver is the solution, and of the programs.
copies() {
	kernel=$(pi/kernel) && source=$(pi/kernel -s) || fail 'No kernel: see above.' || return
	git ls-files '*.[ch]' '*/Kbuild' '*/Makefile' 'labs/lib/*' | tar -cT - | tar -xC "$work"
	for lab in $(cd labs && echo lab-*); do
		cp -r "solutions/$lab/." "$work/labs/$lab"
	done
	drivers=$(cd "$work" && find labs/lab-* -name Kbuild -exec dirname {} +)
	mkdir "$work/sources" && git ls-files 'solutions/*.c' | xargs cp -t "$work/sources"
	find "$source/scripts/coccinelle" -name '*.cocci' -exec grep -L ocaml {} + | sort >"$work/patches"
	[ -s "$work/patches" ] || fail "There is no semantic patch in $source." || return
	git ls-files '*.c' | xargs grep -LE '^#include (<linux/module.h>|"dma_m2m.c")' >"$work/programs"
}

# ---- the tools: each fails when its tool has something to say of the FOLDERS or FILE -----

# build FOLDERS ARGUMENT...: one driver's object in each of them, all at once, as kbuild takes
# longer to begin than for a driver. What is said of the kernel's own headers is none of it.
# shellcheck disable=SC2086 # lists of words
build() {
	find "$work" \( -name '*.o' -o -name '.*.cmd' \) -delete
	printf 'obj-m += %s/\n' $1 >"$work/Kbuild"
	objects=$(for at in $1; do sed -n "s|^obj-m := |$at/|p" "$work/$at/Kbuild"; done)
	shift
	pi/kbuild "$kernel" "$kernel/headers" M="$work" "$@" $objects >"$work/log" 2>&1 ||
		fail "$(tail -n 5 "$work/log")" || return
	! grep -E "^$work.*(warning|error):" "$work/log" >"$work/out" || fail "$(cat "$work/out")"
}

# The configuration is gcc's: what of it clang does not know. An analysis makes no object
# that nm could read.
clang_build() {
	build "$@" CC=clang LD=aarch64-linux-gnu-ld NM=true CONFIG_CC_IS_GCC= CONFIG_CC_IS_CLANG=y \
		CONFIG_INIT_STACK_ALL_ZERO=
}

gcc_analyses() {
	build "$1" KCFLAGS=-fanalyzer
}

clang_compiles() {
	clang_build "$1" W=1 KCFLAGS=-Wno-unknown-warning-option
}

clang_analyses() {
	clang_build "$1" KCFLAGS=--analyze
}

# The kernel's own, with the options that each asks for. Those in OCaml take a compiler of
# it: they are about flags that are compared with 0, and one hardware's tables.
patches_match() {
	while read -r patch; do
		# shellcheck disable=SC2046 # a list of words
		spatch -D report --no-show-diff --very-quiet $(sed -n 's|^// Options: ||p' "$patch") \
			--cocci-file "$patch" --dir "$work/$1" 2>"$work/said" </dev/null || fail "$patch: $(cat "$work/said")" || return
	done <"$work/patches" >"$work/log"
	[ ! -s "$work/log" ] || fail "$(cat "$work/log")"
}

# A program that ends gives its memory back: that is no leak.
program_by_gcc() {
	aarch64-linux-gnu-gcc -fanalyzer -Wno-analyzer-malloc-leak -O2 -Wall -Wextra -Werror \
		-Ilabs/lab-2-dma-mmap/driver -Ilabs/lab-3-sg/driver -c -o "$work/object" "$work/$1" >"$work/log" 2>&1 || fail "$(head -n 20 "$work/log")"
}

# ---- on what they are used -----------------------------------------------------------------

drivers_by_gcc() {
	gcc_analyses "$drivers"
}

drivers_by_clang() {
	clang_compiles "$drivers" && clang_analyses "$drivers"
}

drivers_by_patches() {
	patches_match sources
}

programs_by_gcc() {
	while read -r program; do
		program_by_gcc "$program" || return
	done <"$work/programs"
}

# ---- mistakes ---------------------------------------------------------------------------------

# finds TOOL WHERE WORDS: of the mistake there.
finds() {
	! "$1" "$2" || fail "$1 does not find it." || return
	said=$hints
	hints=''
	case $said in
	*"$3"*) ;;
	*) fail "$1 does not say \"$3\", but: $said" ;;
	esac
}

# plant NAME SED: lab 1's driver with a mistake, in the folder NAME.
plant() {
	cp -r "$work/labs/lab-1-dma-m2m" "$work/$1"
	sed -i "$2" "$work/$1/dma_m2m.c"
	! cmp -s "$work/$1/dma_m2m.c" "$work/labs/lab-1-dma-m2m/dma_m2m.c" || fail "$1: no mistake was made."
}

finds_null_pointer() {
	plant null '/m2m = devm_kzalloc/,/return/s/return -ENOMEM/return m2m->len/' &&
		finds gcc_analyses null 'dereference of NULL' &&
		finds clang_analyses null 'dereference of a null pointer'
}

finds_self_assignment() {
	plant self 's/^\tret = dma_m2m_request_chan(m2m);/&\n\tret = ret;/' &&
		finds clang_compiles self 'to itself'
}

finds_needless_check() {
	plant check 's/^\tmisc_deregister(data);/\tif (data)\n\t\tkfree(data);/' || return
	grep '/ifnullfree.cocci$' "$work/patches" >"$work/one" && mv "$work/one" "$work/patches"
	finds patches_match check 'NULL check before some freeing functions'
}

finds_in_program() {
	printf 'int wrong(int *p);\nint wrong(int *p)\n{\n\treturn p ? 0 : *p;\n}\n' >"$work/wrong.c"
	finds program_by_gcc wrong.c 'dereference of NULL'
}

plan 9
step "drivers and programs are there to be analysed" copies
needs 1 step "gcc -fanalyzer has nothing to say of the drivers" drivers_by_gcc
needs 1 step "clang has not, at W=1, nor its analyser" drivers_by_clang
needs 1 step "no semantic patch of the kernel's matches in the drivers" drivers_by_patches
needs 1 step "gcc -fanalyzer has nothing to say of the programs" programs_by_gcc
needs 1 step "both analysers find a null pointer's use in a driver" finds_null_pointer
needs 1 step "clang finds a variable that is assigned to itself" finds_self_assignment
needs 1 step "a semantic patch finds a needless check" finds_needless_check
needs 1 step "gcc finds a null pointer's use in a program" finds_in_program
finish

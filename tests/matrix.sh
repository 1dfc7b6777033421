#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The table of make matrix: what README has is of its form, and a failure fails it.
# In a copy of the workbook, with a lab and a kernel that only say what they are told.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

# stub FILE LINE...: in the copy.
stub() {
	file=$work/book/$1
	shift
	printf '%s\n' '#!/bin/sh' "$@" >"$file"
}

copy() {
	mkdir "$work/book" "$work/kernel"
	git ls-files tests README.md pi | tar -cT - | tar -xC "$work/book"
	cp tests/matrix README.md "$work/book/" && mv "$work/book/matrix" "$work/book/tests/matrix"
	echo 6.0.0-0 >"$work/kernel/release"
	stub pi/kernel "echo $work/kernel"
	stub pi/emulator 'echo qemu-system-aarch64'
}

# matrix: sets $status.
matrix() {
	"$work/book/tests/matrix" >"$work/out" 2>&1 && status=0 || status=$?
}

table_of() {
	sed -n '/^<!-- make matrix -->$/,/^<!-- end of make matrix -->$/p' "$1"
}

# form FILE: its head, and the board and kernel of each row.
form() {
	table_of "$1" | sed '/^<!--/d' | sed '3,$s/^\(| [^|]*| [^|]*|\).*/\1/'
}

readme_has_its_form() {
	copy
	stub pi/lab 'echo 1..1; echo "ok 1 - a"'
	matrix
	[ "$status" -eq 0 ] || fail "Where all passes its status is $status: $(cat "$work/out")" || return
	form README.md >"$work/is"
	form "$work/book/README.md" >"$work/should"
	diff "$work/should" "$work/is" >"$work/diff" || fail "Run make matrix: README's table is not as it makes one:
$(cat "$work/diff")" || return
	! table_of README.md | grep -q 'failed' || fail 'The table in README has a failure.'
}

keeps_the_rest() {
	sed '/^<!-- make matrix -->$/,/^<!-- end of make matrix -->$/d' README.md >"$work/is"
	sed '/^<!-- make matrix -->$/,/^<!-- end of make matrix -->$/d' "$work/book/README.md" >"$work/written"
	cmp -s "$work/is" "$work/written" || fail 'It changed more of README than its table.'
}

# One step of one lab on one board.
# shellcheck disable=SC2016 # for that lab to expand
step_fails() {
	stub pi/lab 'echo 1..2; echo "ok 1 - a"; [ "$BOARD $2" != "raspi2b 3" ] || { echo "not ok 2 - b"; exit 1; }' 'echo "ok 2 - b"'
	matrix
	[ "$status" -eq 1 ] || fail "A step failed, and its status is $status." || return
	[ "$(grep -c '\*\*failed\*\*: step 2 |$' "$work/book/README.md")" -eq 1 ] ||
		fail "The table does not tell which: $(table_of "$work/book/README.md")"
}

build_fails() {
	stub pi/lab 'echo "pi/lab: it does not build" >&2; exit 2'
	matrix
	[ "$status" -eq 1 ] || fail "Nothing builds, and its status is $status." || return
	grep -q '\*\*failed\*\*: pi/lab: it does not build' "$work/book/README.md" ||
		fail "The table does not tell why: $(table_of "$work/book/README.md")"
}

kernel_fails() {
	stub pi/lab 'echo 1..1; echo "ok 1 - a"'
	stub pi/kernel 'echo "pi/kernel: no network" >&2; exit 1'
	matrix
	[ "$status" -eq 1 ] || fail "There is no kernel, and its status is $status." || return
	grep -q '\*\*failed\*\*: pi/kernel: no network' "$work/book/README.md" ||
		fail "The table does not tell why: $(table_of "$work/book/README.md")"
}

skip_is_told() {
	stub pi/kernel "echo $work/kernel"
	stub pi/lab 'echo 1..1; echo "    ok 1 - x # SKIP none here"; echo "ok 1 - a"'
	matrix
	[ "$status" -eq 0 ] || fail "Something was skipped, and its status is $status." || return
	grep -q '| 1 passed, skipped: none here |' "$work/book/README.md" ||
		fail "The table does not tell it: $(table_of "$work/book/README.md")"
}

plan 6
step "README's table is of the form that make matrix writes, and has no failure" readme_has_its_form
needs 1 step "nothing else of README changes" keeps_the_rest
needs 1 step "a step that fails, in one cell, fails the run, and is told" step_fails
needs 1 step "so does a lab that does not build" build_fails
needs 1 step "so does a kernel that cannot be had" kernel_fails
needs 1 step "what is skipped is told, and is no failure" skip_is_told
finish

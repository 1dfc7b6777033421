#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# tests/run counts right, whatever a test does.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

# test_file NAME SCRIPT: a file of tests.
test_file() {
	printf '#!/bin/sh\n%s\n' "$2" >"$work/$1.sh"
	chmod +x "$work/$1.sh"
}

# closes STATUS LINE NAME...: tests/run of these ends with that line.
closes() {
	right=$1 line=$2
	shift 2
	for name in "$@"; do
		set -- "$@" "$work/$name.sh"
		shift
	done
	tests/run "$@" >"$work/out" 2>&1 && got=0 || got=$?
	[ "$got $(tail -n 1 "$work/out")" = "$right $line" ] ||
		fail "Not \"$line\" and $right, but status $got and: $(tail -n 3 "$work/out")"
}

passing() { closes 0 '2 passed, 0 failed' good; }
failing() { closes 1 '1 passed, 1 failed' bad; }
several() { closes 1 '5 passed, 2 failed' good bad dies good; }

# A plan that was not kept, a wrong number, a status that is not the results':
# each is one failure more.
short_plan() { closes 1 '1 passed, 1 failed' short; }
no_plan() { closes 1 '1 passed, 1 failed' planless; }
wrong_number() { closes 1 '2 passed, 1 failed' misnumbered; }
second_plan() { closes 1 '2 passed, 1 failed' plans_twice; }
bails_out() { closes 1 '1 passed, 2 failed' bails bails_late; }
dies() { closes 1 '0 passed, 1 failed' dies; }
dies_late() { closes 1 '2 passed, 1 failed' dies_late; }
dies_mute() { closes 1 '2 passed, 1 failed' mute good; }
takes_all_along() {
	closes 1 '0 passed, 2 failed' takes_along takes_along &&
		closes 1 '8 passed, 1 failed' takes_along good good good good
}
lies() { closes 1 '0 passed, 2 failed' lies; }

half_a_line() { closes 1 '2 passed, 1 failed' half_a_line; }
false_status() { closes 1 '1 passed, 1 failed' says_status; }

skipping() {
	closes 0 '1 passed, 0 failed' skips || return
	grep -qx '==> 1 skipped' "$work/out" || fail "No word of the skip: $(tail -n 3 "$work/out")" || return
	closes 0 '0 passed, 0 failed' skips_all
}

not_there() {
	tests/run nothing >"$work/out" 2>&1 && got=0 || got=$?
	[ "$got $(tail -n 1 "$work/out")" = '2 tests/run: there is no test "tests/nothing.sh": see tests/*.sh' ] ||
		fail "Status $got and: $(cat "$work/out")"
}

shows_all() {
	tests/run "$work/bad.sh" >"$work/out" 2>&1 || true
	printf '%s\n' "==> $work/bad.sh" 1..2 'ok 1 - a' 'not ok 2 - b' '# a hint' 'on stderr' \
		"==> $work/bad.sh: 1 failed" '' '1 passed, 1 failed' >"$work/right"
	cmp -s "$work/right" "$work/out" || fail "It printed: $(cat "$work/out")"
}

# Each waits until the other has begun.
side_by_side() {
	rm -f "$work/left.here" "$work/right.here"
	closes 0 '2 passed, 0 failed' left right
}

# What two print at once is not mixed, whichever ends first.
one_after_the_other() {
	side_by_side || return
	grep -v ' begins$\|^==> 2 files\|^$\|passed' "$work/out" | sed "s|$work/||" >"$work/blocks"
	awk '/^==>/ { name = $2; sub(/.sh$/, "", name) } /^# / && $2 != name { exit 1 }' "$work/blocks" ||
		fail "Mixed: $(cat "$work/blocks")" || return
	[ "$(wc -l <"$work/blocks")" -eq 8 ] || fail "Not all: $(cat "$work/blocks")"
}

by_name() {
	mkdir -p "$work/top/tests"
	cp tests/run "$work/top/tests"
	cp "$work/good.sh" "$work/bad.sh" "$work/top/tests"
	"$work/top/tests/run" good >"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
	"$work/top/tests/run" >"$work/out" 2>&1 && fail 'All of them passed.' && return
	[ "$(tail -n 1 "$work/out")" = '3 passed, 1 failed' ] || fail "$(cat "$work/out")"
}

test_file good 'echo 1..2; echo ok 1 - a; echo ok 2 - b'
test_file bad 'echo 1..2; echo ok 1 - a; echo not ok 2 - b; echo "# a hint"; echo on stderr >&2; exit 1'
test_file short 'echo 1..2; echo ok 1 - a'
test_file planless 'echo ok 1 - a'
test_file misnumbered 'echo 1..2; echo ok 1 - a; echo ok 3 - c'
test_file bails 'echo Bail out! no hope; exit 1'
test_file bails_late 'echo 1..1; echo ok 1 - a; echo Bail out! no hope'
test_file plans_twice 'echo 1..2; echo 1..2; echo ok 1 - a; echo ok 2 - b'
test_file dies 'echo 1..2; kill -SEGV $$'
# shellcheck disable=SC2016 # for that script to expand
test_file takes_along 'read -r _ _ _ parent _ </proc/$PPID/stat; kill -KILL $parent'
test_file dies_late 'echo 1..2; echo ok 1 - a; echo ok 2 - b; kill -SEGV $$'
test_file mute 'exit 1'
test_file lies 'echo 1..1; echo not ok 1 - a'
test_file half_a_line 'echo 1..2; echo ok 1 - a; printf "ok 2 - b"; exit 1'
test_file says_status 'echo 1..1; echo ok 1 - a; echo status 0; exit 1'
test_file skips 'echo 1..2; echo ok 1 - a; echo "ok 2 - b # SKIP none here"'
test_file skips_all 'echo "# no emulator here"; exit 4'

for this in left right; do
	[ $this = left ] && other=right || other=left
	test_file $this "echo 1..1; : >$work/$this.here; echo '# $this'
		timeout 30 sh -c 'until [ -e $work/$other.here ]; do sleep 0.1; done' || exit
		echo ok 1 - a"
done

plan 21
step "a test that passes is counted as it says" passing
step "a failure is counted, and is the exit status" failing
step "the counts of several files are added up" several
step "a short plan is a failure" short_plan
step "a missing plan is a failure" no_plan
step "a second plan is a failure" second_plan
step "a wrong number is a failure" wrong_number
step "giving up is a failure" bails_out
step "a script that died is a failure" dies
step "so it is when all its tests passed" dies_late
step "so it is when it takes the runner along, and the others run all the same" takes_all_along
step "so it is when it printed nothing, and the others run all the same" dies_mute
step "a failed test and a status that says it passed are two" lies
step "a test that is not there is told" not_there
step "a last line without an end hides no status" half_a_line
step "a test cannot print its status" false_status
step "what is skipped is told, and is no failure" skipping
step "all that a test prints is shown, the totals are alone on the last line" shows_all
step "files run side by side" side_by_side
step "what each prints is shown as a whole" one_after_the_other
step "without a name, all the tests run" by_name
finish

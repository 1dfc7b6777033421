#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guests that fail in every way, on the emulated Pi: pi/run tells each by its
# cause, and leaves nothing behind.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/faults.sh
. tests/lib/faults.sh
# shellcheck source=tests/lib/expect.sh
. tests/lib/expect.sh

# guest ARGUMENT...: pi/run with these arguments; KERNEL= is the kernel.
guest() {
	pi/run -l "$work/log" ${KERNEL:+-k "$KERNEL"} "$@" >"$work/out" 2>"$work/err" </dev/null &&
		got=0 || got=$?
}

# prints PATTERN: a line of the results is like that.
prints() {
	grep -q -- "$1" "$work/out" || fail "\"$1\" is not in: $(head -c 300 "$work/out")"
}

# ---- what goes in and comes out --------------------------------------------

exit_status() {
	guest -- sh -c 'yes 0123456 | head -c 80000; exit 7'
	expect 7 || return
	lines=$(grep -cx 0123456 "$work/out")
	[ "$lines" -eq 10000 ] || fail "Of 10000 lines before the verdict, $lines came."
}

arguments() {
	# shellcheck disable=SC2016 # a dollar that is none
	set -- 'a  b' 'c"d' "e'f" 'g\040h' '' -- 'i=j' '$HOME' "$(seq 1000)" k
	guest -- printf '<%s>' "$@"
	expect 0 || return
	{ printf '<%s>' "$@" && echo; } >"$work/right"
	cmp -s "$work/right" "$work/out" || fail "This came: $(head -c 300 "$work/out")"
}

files() {
	mkdir "$work/a =ü"
	# shellcheck disable=SC2016 # for the guest to expand
	printf '#!/bin/sh\necho "it ran, $1"\n' >"$work/a =ü/b#\\ c"
	chmod +x "$work/a =ü/b#\\ c"
	# shellcheck disable=SC2016 # for the guest to expand
	guest -d '/in it' README.md=read.me "$work/a =ü/b#\\ c=/in it/a script" -- sh -c \
		'ls -l /read.me; exec "./a script" "in $PWD"'
	expect 0 && prints '^-rw-r--r-- .* /read.me$' && prints '^it ran, in /in it$'
}

# refuses WORDS ARGUMENT...: pi/run does not even start.
refuses() {
	words=$1
	shift
	guest "$@"
	expect 125 "$words"
}

refusals() {
	refuses "$work/nothing is not there" "$work/nothing=x" -- true &&
		refuses "$work is not there, or is no file" "$work=x" -- true &&
		refuses '"true" names no place in the guest' true &&
		refuses 'there is no board "zx81": BOARD= takes' -b zx81 -- true &&
		refuses 'there is no kernel "2.4": KERNEL= takes' -k 2.4 -- true &&
		refuses 'usage: ' -t soon -- true && refuses 'usage: ' -z &&
		refuses "$work/no/log: No such file" -l "$work/no/log" -- true && refuses 'the shell takes a terminal'
}

no_folder() {
	guest -d /nowhere -- true
	[ "$got" -ne 0 ] || fail 'It passed.' || return
	prints "can't cd to /nowhere"
}

# ---- guests that fail ----------------------------------------------------------

no_plan() {
	guest -K -- true
	expect 1 'the tests ended without a plan'
}

short_plan() {
	guest -K -- printf '1..2\nok 1 - a\n'
	expect 1 '2 tests were planned, 1 gave a result'
}

wrong_number() {
	guest -K -- printf '1..2\nok 1 - a\nok 3 - c\n'
	expect 1 'result 2 was due, and this came: "ok 3 - c"'
}

panics() {
	guest -K -- sh -c 'printf "1..1\nok 1 - a\n"; echo c >/proc/sysrq-trigger'
	expect 1 "the guest's kernel panicked: " && expect 1 'sysrq triggered crash'
}

hangs() {
	guest -t 5 -- sleep 1000
	expect 1 'no verdict within 5 s'
}

reboots() {
	guest -K -- sh -c 'printf "1..1\nok 1 - a\n"; reboot -f'
	expect 1 'the guest rebooted before the verdict'
}

switches_off() {
	guest -- poweroff -f
	expect 1 'the guest switched itself off before the verdict'
}

# Nothing kills PID 1, which therefore tells how the command ended.
kills_everything() {
	guest -- sh -c 'kill -9 1; sh -c "kill -9 -1" & wait'
	expect 137
}

floods_results() {
	guest -- sh -c 'yes | head -c 100000000'
	expect 1 'the guest printed more than 1048576 bytes to its results'
}

floods_console() {
	# shellcheck disable=SC2016 # for the guest to expand
	guest -- sh -c 'yes "$(seq 200)" | head -c 100000000 >/dev/console'
	expect 1 'the guest printed more than 2097152 bytes to its console' || return
	size=$(wc -c <"$work/log")
	[ "$size" -le 2100000 ] || fail "The log holds $size bytes."
}

# ---- the kernel warns --------------------------------------------------------

builds_mistakes() {
	folder=$(pi/kernel ${KERNEL:+"$KERNEL"}) || fail 'No kernel: see above.' || return
	builds_faults "$folder"
}

warning_fails_run() {
	guest "$work/faults/faults.ko=faults.ko" -- insmod /faults.ko
	expect 1 "the guest's kernel reported trouble: " && expect 1 'WARNING: CPU: '
}

warning_fails_step() {
	guest -K labs/lib/ktap.sh=t/lib/ktap.sh labs/lib/kernel-log.sh=t/lib/kernel-log.sh \
		labs/lib/kernel-reports=t/lib/kernel-reports labs/lib/leaks.sh=t/lib/leaks.sh \
		"$work/faults/faults.ko=t/faults/faults.ko" tests/guest/faults.sh=t/faults/faults.sh \
		-- /t/faults/faults.sh warning
	expect 1 "the guest's kernel reported trouble: " || return
	grep -v KTAP "$work/out" | sed 's/^\(# The kernel reported:\) .*WARNING: CPU: .*/\1/' >"$work/seen"
	printf '%s\n' 1..3 'ok 1 - before' 'not ok 2 - the kernel warns' \
		'# The kernel reported:' 'ok 3 - after' '# 2 of 3 passed. Begin with step 2.' >"$work/right"
	cmp -s "$work/right" "$work/seen" || fail "This came: $(cat "$work/out")"
}

# ---- the terminal --------------------------------------------------------------

shows() {
	tr -d '\r' <"$work/screen" | grep -q -- "$1"
}

# types KEYS PATTERN: the screen shows the PATTERN after the KEYS.
types() {
	printf '%b' "$1" >&6
	soon shows "$2" || fail "\"$2\" is not on the screen: $(tail -c 500 "$work/screen")"
}

closes() {
	exec 6>&-
	! kill -0 "$terminal" 2>/dev/null || kill "$terminal"
	wait "$terminal" || true
}

session() {
	# shellcheck disable=SC2016 # for the guest to expand
	types '' '^/ # ' &&
		types 'stty size\r' '^31 97$' &&
		types 'echo be""gun; sleep 1000\r' '^begun$' &&
		types '\003' '\^C' &&
		types 'echo $((6 * 7)) left\r' '^42 left$' || return
	printf 'exit\r' >&6
	soon test -s "$work/status" || fail "exit did not end it: $(tail -c 500 "$work/screen")"
}

# opens [ARGUMENT...]: a terminal with pi/run in it; what is typed goes to fd 6.
opens() {
	rm -f "$work/keys"
	mkfifo "$work/keys"
	: >"$work/screen"
	script -qfc "tests/guest/terminal.sh $work $*" "$work/screen" <"$work/keys" >/dev/null 2>&1 &
	terminal=$!
	exec 6>"$work/keys"
}

interactive() {
	opens
	session && ok=0 || ok=1
	closes
	[ "$ok" -eq 0 ] || return
	[ "$(cat "$work/status")" = 0 ] || fail "The exit status was $(cat "$work/status")." || return
	cmp -s "$work/before" "$work/after" || fail 'The terminal is not as it was.'
}

# ---- several runs, and killed ones ---------------------------------------------

# alone NAME STATUS: one of two runs, which have the very same name for their log.
alone() {
	pi/run -l "$work/both" ${KERNEL:+-k "$KERNEL"} -- sh -c "yes $1 | head -n 2000; exit $2" \
		>"$work/$1" 2>&1 && echo 0 >>"$work/$1" || echo $? >>"$work/$1"
}

two_at_once() {
	alone a 3 &
	alone b 5
	wait
	for run in 'a 3' 'b 5'; do
		{ yes "${run% *}" | head -n 2000 && echo "${run#* }"; } >"$work/right"
		cmp "$work/right" "$work/${run% *}" >"$work/cmp" 2>&1 ||
			fail "$(cat "$work/cmp"): $(tail -n 3 "$work/${run% *}")" || return
	done
	boots=$(grep -c 'Booting Linux' "$work/both")
	[ "$boots" -eq 1 ] || fail "The log is of $boots boots."
}

ready() {
	grep -q ready "$work/out"
}

# Every process of the marked run has the mark among its arguments; grep, which
# is one of those that are searched, has it with brackets.
no_process() {
	! grep -qs "mark=[_]$$" /proc/[0-9]*/cmdline
}

nothing_left() {
	soon no_process ||
		fail "It lives on: $(grep -ls "mark=[_]$$" /proc/[0-9]*/cmdline)" || return
	[ -z "$(ls -A "$work/tmp" 2>/dev/null)" ] || fail "It left $(ls -A "$work/tmp") in TMPDIR."
}

# ends_by SIGNAL: a run that this signal ends while its guest is at work.
ends_by() {
	mkdir -p "$work/tmp"
	: >"$work/out"
	TMPDIR=$work/tmp pi/run -l "$work/log" ${KERNEL:+-k "$KERNEL"} -t 1000 -a "mark=_$$" \
		-- sh -c 'echo ready; exec sleep 1000' >"$work/out" 2>"$work/err" </dev/null &
	run=$!
	soon ready || fail "The guest did not start: $(cat "$work/err")" || return
	! no_process || fail 'The run has no mark: this test sees nothing.' || return
	kill -"$1" "$run"
	wait "$run" 2>/dev/null && got=0 || got=$?
	expect $((128 + $2)) && nothing_left
}

by_sigkill() { ends_by KILL 9; }
by_sigterm() { ends_by TERM 15; }
by_sigint() { ends_by INT 2; }

closed_terminal() {
	opens -a "mark=_$$"
	types '' '^/ # ' && ok=0 || ok=1
	kill -KILL "$terminal"
	closes 2>/dev/null
	[ "$ok" -eq 0 ] && nothing_left
}

# In bsdtar's place, a program that kills pi/run.
while_packing() {
	mkdir -p "$work/bin" "$work/tmp"
	# shellcheck disable=SC2016 # its parent
	printf '#!/bin/sh\nkill -KILL $PPID\n' >"$work/bin/bsdtar"
	chmod +x "$work/bin/bsdtar"
	TMPDIR=$work/tmp PATH=$work/bin:$PATH pi/run -- true 2>"$work/err" && got=0 || got=$?
	[ "$got" -eq 137 ] || fail "It was not killed: $(cat "$work/err")" || return
	nothing_left
}

plan 25
step "the command's exit status comes back, after all that it printed" exit_status
step "each argument arrives as it is: spaces, quotes, a --, many and long ones" arguments
step "files arrive at their places, whatever their names, and run" files
step "what cannot be run is refused, with the reason" refusals
step "a folder that is not in the guest is told" no_folder
step "a command that ends without a plan fails the run" no_plan
step "a short plan fails the run" short_plan
step "a wrong number fails the run" wrong_number
step "a guest that panics fails the run" panics
step "a guest that hangs fails the run" hangs
step "a guest that reboots fails the run" reboots
step "a guest that is switched off fails the run" switches_off
step "a command that kills everything ends as one that was killed" kills_everything
step "100 MB of results are stopped" floods_results
step "100 MB on the console are stopped" floods_console
step "a module that makes the kernel warn can be built" builds_mistakes
needs 16 step "a kernel that warns fails a run that passed otherwise" warning_fails_run
needs 16 step "a kernel that warns fails the very step of a test" warning_fails_step
step "the shell: Ctrl-C ends a command there, exit ends it, the terminal is as before" interactive
step "two runs at once do not disturb each other" two_at_once
step "a run that is killed leaves nothing behind" by_sigkill
step "so does one that is told to end" by_sigterm
step "so does one that is interrupted" by_sigint
step "so does a shell whose terminal is closed" closed_terminal
step "so does one that is killed while it packs" while_packing
finish

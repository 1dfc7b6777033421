#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The referee, with a shell script for a machine: what it passes, and by which
# words it fails the rest. REFEREE=build/referee is the one to test.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/expect.sh
. tests/lib/expect.sh

referee=$(realpath "${REFEREE:-build/referee}")
reports=$PWD/labs/lib/kernel-reports

# machine SCRIPT [OPTION...]: the referee runs the SCRIPT, which has
#   say WORDS      a line of results (printf's escapes)
#   log WORDS      a line of the console
#   ktap WORDS...  lines of results, from begin to the verdict of a good run
machine() {
	script=$1
	shift
	timeout -s KILL 100 "$referee" "$@" -l "$work/log" -r "$reports" sh -c "
		say() { printf '%b\n' \"\$*\"; }
		log() { printf '%b\n' \"\$*\" >&3; }
		begin() { say; say 'pi: begin'; }
		verdict() { say \"pi: exit \$1\"; }
		ktap() { begin; for line; do say \"\$line\"; done; verdict \"\${status-0}\"; }
		$script" >"$work/out" 2>"$work/err" && got=0 || got=$?
}

# prints LINE: the LINE is among the results that were passed on.
prints() {
	grep -qxF -- "$1" "$work/out" || fail "The line \"$1\" is not in: $(head -c 300 "$work/out")"
}

# bad WORDS LINE...: with these lines of KTAP, a run fails with these words.
bad() {
	cause=$1
	shift
	lines=$(printf '"%s" ' "$@")
	machine "ktap $lines" -k
	expect 1 "$cause"
}

good_run() {
	machine 'log "[0.0] Booting"; ktap 1..2 "ok 1 - a" "# a hint" "ok 2 - b # SKIP no such thing"' -k
	expect 0 && prints 'ok 1 - a' && prints '# a hint' || return
	[ "$(cat "$work/log")" = '[0.0] Booting' ] || fail "The log holds: $(cat "$work/log")"
}

no_judge_without_k() {
	machine 'status=7 ktap "ok 3" 1..9'
	expect 7 && prints 'ok 3'
}

only_what_it_ran() {
	machine 'say "Probing the port"; say "ok 1 - never"; ktap 1..1 "ok 1 - a"' -k
	expect 0 || return
	! grep -q -e Prob -e never -e 'pi:' "$work/out" || fail "It passed on: $(cat "$work/out")"
}

failing_test() {
	machine 'status=1 ktap 1..2 "ok 1 - a" "not ok 2 - b"' -k
	expect 1 && prints 'not ok 2 - b'
}

no_plan() { bad 'the tests ended without a plan' 'KTAP version 1'; }
short_plan() { bad '2 tests were planned, 1 gave a result' 1..2 'ok 1 - a'; }
long_plan() { bad '1 tests were planned, 2 gave a result' 1..1 'ok 1 - a' 'ok 2 - b'; }
wrong_number() { bad 'result 2 was due, and this came: "ok 3 - b"' 1..2 'ok 1 - a' 'ok 3 - b'; }
same_number() { bad 'result 2 was due, and this came: "ok 1 - a"' 1..2 'ok 1 - a' 'ok 1 - a'; }
second_plan() { bad 'a second plan came: "1..1"' 1..1 'ok 1 - a' 1..1; }
strange_plan() { bad 'this is no plan: "1..0"' 1..0 && bad 'this is no plan: "1..x"' 1..x; }
late_plan() { bad 'a result came before the plan: "ok 1 - a"' 'ok 1 - a' 1..1; }
no_number() { bad 'result 1 was due, and this came: "ok - a"' 1..1 'ok - a'; }
bail_out() { bad 'the tests gave up: Bail out! no driver' 1..1 'Bail out! no driver'; }
failed_but_zero() { bad "1 tests failed, yet the script's exit status is 0" 1..1 'not ok 1 - a'; }

passed_but_one() {
	machine 'status=1 ktap 1..1 "ok 1 - a"' -k
	expect 1 "0 tests failed, yet the script's exit status is 1"
}

died_by_signal() {
	machine 'status=139 ktap 1..2 "ok 1 - a"' -k
	expect 1 '2 tests were planned, 1 gave a result'
}

skips() {
	machine 'status=4 ktap "# no engine here"' -k
	expect 4 && prints '# no engine here' || return
	machine 'status=4 ktap 1..1 "ok 1 - a # SKIP no engine"' -k
	expect 4
}

skip_is_no_excuse() {
	machine 'status=4 ktap 1..1 "not ok 1 - a"' -k
	expect 1 "1 tests failed, yet the script's exit status is 4" || return
	machine 'status=4 ktap 1..2 "ok 1 - a"' -k
	expect 1 '2 tests were planned, 1 gave a result'
}

after_verdict() {
	machine 'ktap 1..1 "ok 1 - a"; say "ok 2 - b"' -k
	expect 1 'output came after the verdict: "ok 2 - b"'
}

second_verdict() {
	machine 'status=1 ktap; verdict 0'
	expect 1 'output came after the verdict: "pi: exit 0"'
}

no_verdict() {
	machine 'begin; say "1..1\nok 1 - a\npi: exit zero"; log "[9.9] Restarting"' -k
	expect 1 'the guest rebooted before the verdict; last on the console: [9.9] Restarting'
}

verdict_without_line_end() {
	machine 'begin; printf "pi: exit 0"'
	expect 0
}

hangs() {
	machine 'begin; say "1..2\nok 1 - a"; log "[3.3] The last"; exec sleep 1000' -k -t 1
	expect 1 'no verdict within 1 s: after result 1 it hung' && expect 1 'last on the console: [3.3] The last'
}

verdict_after_half_a_line() {
	machine 'begin; printf "half a line\n\nok"; say; verdict 3; exit 0'
	expect 3 || return
	[ "$(cat "$work/out")" = "$(printf 'half a line\n\nok')" ] || fail "It passed on: $(cat "$work/out")"
	machine 'begin; say "a\n\n"; say; verdict 0'
	printf 'a\n\n\n' | cmp -s - "$work/out" || fail "It passed on: $(od -c "$work/out")"
}

# Deaf and mute, it is over neither for its closed streams nor by a gentle signal.
hangs_closed() {
	machine 'trap "" TERM; exec >/dev/null 2>&1 3>&-; exec sleep 1000' -t 1
	expect 1 'no verdict within 1 s'
}

does_not_end() {
	machine 'ktap 1..1 "ok 1 - a"; exec sleep 1000' -k -t 1000
	expect 1 'the guest gave its verdict, and did not end within'
}

ends_later() {
	machine 'ktap 1..1 "ok 1 - a"; exec >/dev/null 2>&1 3>&-; exec sleep 0.5' -k -t 1000
	expect 0
}

killed() {
	machine 'begin; kill -SEGV $$'
	expect 1 'QEMU was killed by signal 11 (Segmentation fault)'
}

killed_after_verdict() {
	machine 'ktap 1..1 "ok 1 - a"; kill -SEGV $$' -k
	expect 1 'QEMU was killed by signal 11 (Segmentation fault)'
}

could_not_start() {
	machine 'echo "qemu: no such machine" >&2; exit 1'
	expect 125 'QEMU ended with status 1: qemu: no such machine'
}

fails_later() {
	machine 'begin; say "ok so far"; sleep 1; exit 3'
	expect 1 'QEMU ended with status 3' && prints 'ok so far'
}

not_executable() {
	"$referee" -l "$work/log" -r "$reports" "$work/nothing" 2>"$work/err" && got=0 || got=$?
	expect 125 "$work/nothing: No such file or directory"
}

floods_results() {
	machine 'begin; while :; do say 0123456789012345678901234567890123456789; done'
	expect 1 'the guest printed more than 1048576 bytes to its results' || return
	size=$(wc -c <"$work/out")
	[ "$size" -le 1048576 ] || fail "It passed on $size bytes."
}

floods_console() {
	machine 'exec tr "\\0" x </dev/zero >&3'
	expect 1 'the guest printed more than 2097152 bytes to its console'
}

# The rest of a line that is too long must not pass for a line of its own.
long_line() {
	machine 'begin; say 1..2; printf "# %4094s%s\n" "" "ok 1 - a"; say "ok 1 - b\nok 2 - c"; verdict 0' -k
	expect 0 && prints 'ok 1 - b' || return
	[ "$(grep -c -e '^#  .* \[\.\.\.]$' -e 'ok 1 - a' "$work/out")" -eq 1 ] ||
		fail "It passed on: $(tr -s ' ' <"$work/out")"
}

control_characters() {
	machine 'log "\033[2Jred\007"; ktap "a\033]0;title\007b" "a\tb\r" "c\0177d" "e\0302\0233f" "g\0233h" "\0303\0233\0342\0200\0234"'
	expect 0 && prints 'a?]0;title?b' && prints "$(printf 'a\tb')" && prints 'c?d' &&
		prints "$(printf 'e\302?f')" && prints 'g?h' && prints "$(printf '\303\233\342\200\234')" || return
	[ "$(cat "$work/log")" = '?[2Jred?' ] || fail "The log holds: $(cat "$work/log")"
}

# reports_as LINE: with this LINE on the console, a good run fails for it.
reports_as() {
	machine "log '[1.0] all is well'; log '$1'; ktap 1..1 'ok 1 - a'" -k
	expect 1 "the guest's kernel reported trouble: $1"
}

kernel_reports() {
	reports_as '[2.0] WARNING: CPU: 1 PID: 77 at kernel/dma/debug.c:973' &&
		reports_as '[2.0] BUG: sleeping function called from invalid context' &&
		reports_as '[2.0] Internal error: Oops: 96000045 [#1] SMP' &&
		reports_as '[2.0] Unable to handle kernel paging request at 1234' &&
		reports_as '[2.0] WARNING: possible circular locking dependency detected' &&
		reports_as '[2.0] DMA-API: dma 0.dma: device driver frees DMA memory with different size'
}

late_report() {
	machine 'ktap 1..1 "ok 1 - a"; log "[3.0] WARNING: CPU: 0 PID: 1 at x.c:1"' -k
	expect 1 "the guest's kernel reported trouble: [3.0] WARNING: CPU: 0"
}

does_not_begin() {
	machine 'say "Probing the port"; exec sleep 1000' -t 1000 -b 1
	expect 125 'the command did not begin within 1 s' || return
	machine 'begin; exec sleep 1000' -t 2 -b 1
	expect 1 'no verdict within 2 s'
}

# The first time it sleeps; what it would say then is not waited for.
sleeps_once() {
	rm -f "$work/slept"
	machine "[ -e $work/slept ] || { : >$work/slept; exec sleep 1000; }; ktap 1..1 'ok 1 - a'" -k -t 200 -a 1
	expect 0 'QEMU has not begun within 1 s: starting it again' && prints 'ok 1 - a' || return
	machine 'log awake; sleep 6; ktap 1..1 "ok 1 - a"' -k -t 200 -a 5
	expect 0 || return
	[ ! -s "$work/err" ] || fail "It was not left alone: $(cat "$work/err")"
}

# Whose kernel dies, or hangs, has no last line of its own that tells where to begin.
says_where_to_begin() {
	machine 'begin; say 1..3; say ok 1; say "not ok 2"; log "---[ end Kernel panic ]---"; exec sleep 1000' -k -t 1000
	expect 1 '  1 of 3 passed, 3 did not end. Begin with step 2.' || return
	machine 'begin; say 1..3; say ok 1; log "Fixing recursive fault but reboot is needed!"; exec sleep 1000' -k -t 1000
	expect 1 '  1 of 3 passed, 2 did not end. Begin with step 2.' || return
	expect 1 "the guest's kernel is past help: Fixing recursive fault"
}

# A dead kernel is not waited for.
panics() {
	machine 'begin; log "Kernel panic - not syncing: sysrq"; log "---[ end Kernel panic ]---"; exec sleep 1000' -t 1000
	expect 1 "the guest's kernel panicked: Kernel panic - not syncing: sysrq"
}

# One that hangs after an oops has 30 s, and is told by what hung it.
oopses() {
	machine 'begin; say 1..3; say ok 1; log "Unable to handle kernel paging request"
		log "Internal error: Oops: 96000004 [#1] SMP"; log "pc : __memcpy+0x10/0x230"
		log "lr : lab_copy+0x1c/0x60 [lab]"; log " lab_write+0x8/0x60 [lab]"; exec sleep 1000' -k -t 1000
	expect 1 "after result 1 it hung, as the guest's kernel had reported: Unable to handle kernel paging request, in lab_copy()"
}

switches_off() {
	machine 'begin; log "[5.0] reboot: Power down"; exec sleep 1000' -t 1000
	expect 1 'the guest switched itself off before the verdict: [5.0] reboot: Power down'
}

# gone PID: within a bound, no such process is left, or only its remains.
gone() {
	for _ in $(seq 600); do
		state=$(sed -n 's/^State:\t//p' "/proc/$1/status" 2>/dev/null) || true
		case $state in
		'' | Z*) return 0 ;;
		esac
		sleep 0.1
	done
	kill -KILL "$1"
	fail "The machine lives on: $state"
}

# ends_with SIGNAL: by this signal the referee ends, and so does the machine.
ends_with() {
	rm -f "$work/pid"
	# shellcheck disable=SC2016 # for the machine to expand
	"$referee" -l "$work/log" -r "$reports" sh -c \
		'trap "" TERM INT HUP; echo $$ >"$1.new"; mv "$1.new" "$1"; while :; do sleep 0.1; done' \
		sh "$work/pid" >"$work/out" 2>"$work/err" &
	referee_pid=$!
	for _ in $(seq 600); do
		[ ! -e "$work/pid" ] || break
		sleep 0.1
	done
	kill -"$1" "$referee_pid"
	wait "$referee_pid" 2>/dev/null && got=0 || got=$?
	expect $((128 + $2)) && gone "$(cat "$work/pid")"
}

by_sigkill() { ends_with KILL 9; }
by_sigterm() { ends_with TERM 15; }
by_sigint() { ends_with INT 2; }
by_sighup() { ends_with HUP 1; }

no_log_folder() {
	"$referee" -l "$work/no/log" -r "$reports" true 2>"$work/err" && got=0 || got=$?
	expect 125 "$work/no/log: No such file or directory"
}

log_is_folder() {
	"$referee" -l "$work" -r "$reports" true 2>"$work/err" && got=0 || got=$?
	expect 125 "$work: Is a directory"
}

# A log under the same name that another run still writes is left to it.
log_of_its_own() {
	exec 5>"$work/log"
	machine 'log mine; ktap 1..1 "ok 1 - a"' -k
	echo theirs >&5
	exec 5>&-
	expect 0 || return
	[ "$(cat "$work/log")" = mine ] || fail "The log holds: $(cat "$work/log")"
}

results_are_lost() {
	"$referee" -l "$work/log" -r "$reports" sh -c 'printf "pi: begin\nhi\npi: exit 0\n"' \
		>/dev/full 2>"$work/err" && got=0 || got=$?
	expect 1 'the results could not be passed on: is a disk full?'
}

bad_usage() {
	for arguments in '' '-t soon true' '-t 0 true' '-x true'; do
		# shellcheck disable=SC2086 # a list of words
		"$referee" -l "$work/log" -r "$reports" $arguments 2>"$work/err" && got=0 || got=$?
		expect 125 'usage: referee' || return
	done
}

plan 54
step "a good run passes, with its results and its console kept apart" good_run
step "without -k, the command's exit status is all that counts" no_judge_without_k
step "what the port carries before the command is nobody's result" only_what_it_ran
step "a failing test fails the run" failing_test
step "a missing plan fails the run" no_plan
step "fewer results than planned fail the run" short_plan
step "more results than planned fail the run" long_plan
step "a result with a wrong number fails the run" wrong_number
step "a number that comes twice fails the run" same_number
step "a second plan fails the run" second_plan
step "a plan of nothing, or no number, fails the run" strange_plan
step "a result before the plan fails the run" late_plan
step "a result without a number fails the run" no_number
step "Bail out! fails the run" bail_out
step "a failed test fails the run even if the script says it passed" failed_but_zero
step "passed tests do not help a script that says it failed" passed_but_one
step "a script that died halfway fails the run" died_by_signal
step "status 4 means skipped" skips
step "status 4 excuses neither a failed test nor a missing one" skip_is_no_excuse
step "output after the verdict fails the run" after_verdict
step "the first of two verdicts does not count" second_verdict
step "a machine that ends without a verdict fails the run" no_verdict
step "a verdict is one even without a line's end" verdict_without_line_end
step "empty lines are passed on, but for the one that belongs to the verdict" verdict_after_half_a_line
step "a machine that hangs is ended in time, and its last words are told" hangs
step "a machine that closed its streams and lives on is ended in time" hangs_closed
step "a machine that does not end after its verdict fails the run" does_not_end
step "a machine that closes its streams before it ends has time to end" ends_later
step "a machine that a signal killed fails the run, by the signal's name" killed
step "a machine that was killed after its verdict fails the run" killed_after_verdict
step "a machine that could not start is status 125, with its own words" could_not_start
step "one that fails once the command has begun is the run's failure" fails_later
step "a machine that is not there is status 125" not_executable
step "a flood of results is stopped" floods_results
step "a flood on the console is stopped" floods_console
step "a line that is too long is cut" long_line
step "control characters do not reach the terminal, tabs and UTF-8 do" control_characters
step "a kernel in trouble fails a run that passed otherwise" kernel_reports
step "so it does after the verdict" late_report
step "a panic is told at once" panics
step "a machine that hangs after an oops is ended soon, and whose function it was is told" oopses
step "a command that does not begin is told, as status 125" does_not_begin
step "a machine that does not wake up is started again" sleeps_once
step "where a run breaks off, the step to begin with is told" says_where_to_begin
step "a machine that is switched off is told at once" switches_off
step "a referee that is killed takes the machine with it" by_sigkill
step "so does one that is told to end" by_sigterm
step "so does one that is interrupted" by_sigint
step "so does one whose terminal is closed" by_sighup
step "a log in a folder that is not there is status 125" no_log_folder
step "a log that is a folder is status 125" log_is_folder
step "a log that another run writes is left alone" log_of_its_own
step "results that cannot be written fail the run" results_are_lost
step "bad usage is explained" bad_usage
finish

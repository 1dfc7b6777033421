#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make watch: at each save it tests, tells each step's state, and loses no save; the
# terminal is as before, however it ends. In a copy of the workbook that has a
# lab 7, which is soon tested.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/expect.sh
. tests/lib/expect.sh

# ---- lab 7: three values, each a step ---------------------------------------

solution() {
	cat <<-'EOF'
		// SPDX-License-Identifier: GPL-2.0
		#include <linux/module.h>

		/* Step 1, first: has its value. */
		static int first = 1;
		/* End of step 1, first. */
		module_param(first, int, 0444);

		/*
		 * Step 2, second: has its value, which takes
		 * more words.
		 */
		static int second = 2;
		/* End of step 2, second. */
		module_param(second, int, 0444);

		/* Step 3, third: has its value. */
		static int third = 3;
		/* End of step 3, third. */
		module_param(third, int, 0444);

		MODULE_DESCRIPTION("Three values");
		MODULE_LICENSE("GPL");
	EOF
}

tests() {
	cat <<-'EOF'
		#!/bin/sh
		set -eu
		cd "$(dirname "$0")"
		. ../lib/ktap.sh
		long=$(seq -s ' ' 100 130)

		has() {
			insmod ./watched.ko 2>/dev/null || true
			[ "$(cat "/sys/module/watched/parameters/$1")" = "$2" ] || fail "The $1 is not $2: $long
		line 2
		line 3
		line 4
		the last line"
		}

		first() { has first 1; }
		second() { has second 2; }
		third() { has third 3; }
		plan 3
		step "the first has its value $long" first
		needs 1 step "the second has its value" second
		echo "    not ok 1 - a part of the third, for people"
		step "the third has its value" third
		finish
	EOF
}

make_lab() {
	git clone -q . "$work/book"
	mine=$work/book/labs/lab-7-watch
	theirs=$work/book/solutions/lab-7-watch
	mkdir "$mine" "$theirs"
	sed 's|\.\./\.\./lib|../lib|' labs/lab-2-dma-mmap/driver/Makefile >"$mine/Makefile"
	echo 'obj-m := watched.o' >"$mine/Kbuild"
	solution >"$theirs/watched.c"
	tests >"$mine/test.sh"
	chmod +x "$mine/test.sh"
	skeleton
}

skeleton() {
	sed 's/\* Step \([0-9]\)/* TODO step \1/; s/= [0-9];/= 0;/' "$theirs/watched.c" >"$work/skeleton.c"
	save cat "$work/skeleton.c"
}

# save COMMAND...: what it prints becomes the student's file.
save() {
	"$@" >"$work/saved.c"
	cp "$work/saved.c" "$mine/watched.c"
}

# solve STEP...: these, and no others.
solve() {
	for n in 1 2 3; do
		case " $* " in
		*" $n "*) echo "s/TODO step $n/Step $n/; /step $n/I,/End of step $n/s/= 0;/= $n;/" ;;
		esac
	done >"$work/solve.sed"
	save sed -f "$work/solve.sed" "$work/skeleton.c"
}

# A QEMU that waits as long as there is a gate.
make_gate() {
	mkdir "$work/bin"
	cat >"$work/bin/qemu-system-aarch64" <<-EOF
		#!/bin/sh
		: >"$work/waits"
		for _ in \$(seq 3000); do
			[ -e "$work/gate" ] || break
			sleep 0.1
		done
		exec $(command -v qemu-system-aarch64) "\$@"
	EOF
	chmod +x "$work/bin/qemu-system-aarch64"
	PATH=$work/bin:$PATH
}

# ---- a terminal -------------------------------------------------------------

# What is on the screen now: all that came since it was last cleared, without colour.
screen() {
	tr -d '\r\f' <"$work/screen" | sed 's/\x1b\[H\x1b\[2J/\f/g; s/\x1b\[[0-9;]*m//g' |
		awk 'BEGIN { RS = "\f" } { last = $0 } END { printf "%s", last }'
}

on_screen() {
	screen >"$work/now"
	grep -q -- "$1" "$work/now"
}

shows() {
	soon on_screen "$1" || fail "\"$1\" is not on the screen: $(cat "$work/now")"
}

shows_not() {
	! on_screen "$1" || fail "\"$1\" is on the screen: $(cat "$work/now")"
}

# types KEYS PATTERN: the screen shows the PATTERN after the KEYS.
types() {
	printf '%b' "$1" >&6
	shows "$2"
}

# opens [NAME=VALUE...]: pi/watch in a terminal; what is typed goes to fd 6. What
# runs in the background ignores Ctrl-C, and by nohup a hang-up, and must not.
opens() {
	rm -f "$work/keys" "$work/status"
	mkfifo "$work/keys"
	: >"$work/screen"
	cat >"$work/terminal.sh" <<-EOF
		trap : INT
		stty rows 40 cols 80
		stty -g >"$work/before"
		env TERM=xterm NO_COLOR= $* "$work/book/pi/watch" 7 && got=0 || got=\$?
		stty -g >"$work/after"
		echo "\$got" >"$work/status"
	EOF
	env --default-signal=INT,HUP script -qfc "sh $work/terminal.sh" "$work/screen" <"$work/keys" >/dev/null 2>&1 &
	terminal=$!
	exec 6>"$work/keys"
}

# ends STATUS: it does, and has left nothing.
ends() {
	soon test -s "$work/status" || fail "It does not end: $(screen)" || return
	exec 6>&-
	wait "$terminal" || true
	[ "$(cat "$work/status")" -eq "$1" ] || fail "Its status was $(cat "$work/status")." || return
	cmp -s "$work/before" "$work/after" || fail 'The terminal is not as it was.' || return
	nothing_left
}

# grep has the name with brackets: it is one of those that are searched.
no_process() {
	! grep -lqs "$work/book/[p]i/" /proc/[0-9]*/cmdline
}

nothing_left() {
	soon no_process || fail "It lives on: $(grep -ls "$work/book/[p]i/" /proc/[0-9]*/cmdline)"
}

watcher() {
	pgrep -f "^/bin/sh $work/book/pi/watch 7\$" | head -n 1
}

# ---- steps ------------------------------------------------------------------

tells_states() {
	opens
	shows '^lab-7-watch: 0 of 3 steps are done' && shows '^>  1  open         the first has its value' &&
		shows '^   2  not reached  the second' && shows '^   3  open  ' &&
		shows '^>  1  open .* [0-9][0-9][0-9] \.\.\.$' &&
		shows '^The first is not 1: 100 101 ' && shows_not 'for people' && shows_not 'the last line' || return
	long=$(awk 'length > 80' "$work/now")
	[ -z "$long" ] || fail "This is longer than 80 columns: $long"
}

tells_all() {
	types h '^the last line' && types n '^>  2  not reached' && types n '^>  3  open' &&
		types n '^>  1  open' && shows_not 'the last line'
}

# The answer to a step that is not done is asked for.
answers() {
	types d 'Show the answer? y/n' && shows_not '^+static' && types x 'The first is not 1' &&
		types d 'Show the answer? y/n' && types y '^+static int first = 1;' && shows_not 'second = 2'
}

tests_saved() {
	solve 1
	shows '^   1  done  ' && shows '^>  2  open' && shows 'The second is not 2' || return
	types d 'y/n' && types y '^+static int second = 2;' && shows '^+ \* Step 2, second: ' || return
	save sed 's/second = 0/second = /' "$mine/watched.c"
	shows '^labs/lab-7-watch/watched.c:[0-9]*:[0-9]*: error: ' && shows_not 'done' || return
	save sed 's/TODO s/S/' "$work/skeleton.c"
	shows '^>  1  wrong'
}

# Of what is saved while a test runs, the last is tested.
loses_no_save() {
	rm -f "$work/waits"
	: >"$work/gate"
	solve 1
	soon test -e "$work/waits" || fail 'A save is not tested.' || return
	shows 'testing ...' || return
	solve 1 2
	rm "$work/gate"
	shows '^   2  done' && shows '^>  3  open'
}

answers_what_is_done() {
	solve 1 2 3
	shows '3 of 3 steps are done' && types n '^>  2  done' && types n '^>  3  done' || return
	save sed 's/third = 3/third = 1 + 2/' "$mine/watched.c"
	shows 'testing ...' && shows '3 of 3 steps' && types n '^>  2' && types n '^>  3' && types d '^+static int third = 3;' && shows_not 'y/n'
}

without_marker() {
	save sed '/End of step 1/d' "$work/skeleton.c"
	shows '0 of 3' || return
	types d y/n && types y '^+static int first = 1;' && shows '^+static int third = 3;' || return
	mv "$theirs" "$work/hidden"
	types t 'testing ...' && shows '^>  1  open' && types d y/n && types y 'no solution here'
	mv "$work/hidden" "$theirs"
}

tests_again() {
	types t 'testing ...' && shows '0 of 3' || return
	printf q >&6
	ends 0
}

# ends_by SIGNAL STATUS: while it tests, too.
ends_by() {
	: >"$work/gate"
	rm -f "$work/waits"
	opens
	soon test -e "$work/waits" || fail 'It tests nothing.' || return
	if [ "$1" = INT ]; then
		printf '\003' >&6
	else
		kill -"$1" "$(watcher)"
	fi
	ends "$2" && ok=0 || ok=1
	rm "$work/gate"
	return "$ok"
}

is_interrupted() {
	ends_by INT 130 && ends_by TERM 143 && ends_by HUP 129
}

# A handout has no answers: d is no key there.
handed_out() {
	mv "$work/book/solutions" "$work/hidden"
	opens
	shows '^>  1  open' && shows_not 'd diff' && types d 'a handout has none' && shows 'The first is not 1' &&
		types x 'no key' && types h '^the last line' && shows_not 'no key' && shown=0 || shown=1
	mv "$work/hidden" "$work/book/solutions"
	[ "$shown" -eq 0 ] || return
	printf q >&6
	ends 0
}

terminal_closes() {
	opens
	shows '0 of 3' || return
	kill -KILL "$terminal"
	exec 6>&-
	wait "$terminal" 2>/dev/null || true
	nothing_left
}

is_plain() {
	for plain in NO_COLOR=1 TERM=dumb; do
		opens "$plain"
		shows '^>  1  open' || return
		printf q >&6
		ends 0 || return
		! grep -q "$(printf '\033\\[[0-9]*m')" "$work/screen" || fail "$plain, and there is colour." || return
	done
	! grep -q "$(printf '\033')" "$work/screen" || fail "TERM=dumb, and there are escape sequences."
}

tested() {
	[ "$(grep -c "$1" "$work/lines")" -eq "$2" ]
}

# Then each run is told once.
without_terminal() {
	skeleton
	"$work/book/pi/watch" 7 >"$work/lines" 2>&1 </dev/null &
	run=$!
	soon tested '0 of 3 steps are done' 1 || fail "$(cat "$work/lines")" || return
	solve 1
	soon tested '1 of 3 steps are done' 1 || fail "$(cat "$work/lines")" || return
	kill "$(watcher)"
	wait "$run" 2>/dev/null || true
	! grep -q "$(printf '\033')" "$work/lines" || fail 'There are escape sequences.' || return
	tested '^>  1  open' 1 && tested '^   1  done' 1 || fail "$(cat "$work/lines")" || return
	nothing_left
}

other_lab() {
	! make -s watch LAB=9 >"$work/lines" 2>&1 || fail 'It ended well.' || return
	grep -q 'there is no lab "9": LAB= takes 1 2 3$' "$work/lines" || fail "$(cat "$work/lines")"
}

clean_up() {
	rm -f "$work/gate"
	kill "$(watcher)" 2>/dev/null || true
	soon no_process
	rm -rf "$work"
}

trap clean_up EXIT
make_lab
make_gate
plan 14
step "each step has its state, the first problem its hint, in 80 columns" tells_states
needs 1 step "h shows all of a hint, n goes to the next step" tells_all
needs 1 step "d asks, and shows what the solution has there" answers
needs 1 step "a save is tested: states change, a compiler's words are shown" tests_saved
needs 1 step "what is saved while a test runs is tested after it" loses_no_save
needs 1 step "d does not ask about a step that is done" answers_what_is_done
needs 1 step "d shows all of a file whose markers are gone, and says if there is no solution" without_marker
needs 1 step "t tests again, q ends it and leaves the terminal as it was" tests_again
needs 1 step "so does a signal while it tests" is_interrupted
needs 1 step "a key that is none is told, and so is d in a handout" handed_out
needs 1 step "it ends with its terminal" terminal_closes
needs 1 step "NO_COLOR and TERM=dumb are obeyed" is_plain
step "without a terminal, each save is told once" without_terminal
step "a wrong lab is told" other_lab
finish

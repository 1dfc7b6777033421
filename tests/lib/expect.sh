# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # work and got are the test's
# After ktap.sh: what a run said and how it ended. The test has left its exit
# status in $got, its standard error in $work/err.

# expect STATUS WORDS: how it ended, and what it then said; no WORDS: nothing.
expect() {
	[ "$got" -eq "$1" ] ||
		fail "The exit status was $got, not $1: $(cat "$work/err")" || return
	if [ -n "${2-}" ]; then
		grep -qF -- "$2" "$work/err" ||
			fail "The cause is not \"$2\": $(cat "$work/err")"
	else
		[ ! -s "$work/err" ] || fail "It complained: $(cat "$work/err")"
	fi
}

# refuses WORDS COMMAND...: the command fails, and its last word is one line,
# which has WORDS in it.
refuses() {
	words=$1
	shift
	! "$@" >"$work/out" 2>&1 || fail "this should have failed: $*" || return
	grep -v '^make: ' "$work/out" | tail -n 1 | grep -q -- "$words" ||
		fail "\"$words\" is not in what it said: $(cat "$work/out")"
}

# soon COMMAND...: in the end the command succeeds: within minutes, as the machine may have
# other work.
soon() {
	for _ in $(seq 3000); do
		! "$@" || return 0
		sleep 0.1
	done
	return 1
}

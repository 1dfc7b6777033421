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

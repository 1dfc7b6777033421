#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each wrong answer in tests/wrong-answers/ is caught by the step that is about
# it, with a hint that leads on. Its header names both:
#
#   Step: a part of the title of the first step that fails, not for another's sake
#   Hint: words of what is said there
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/answer.sh
. tests/lib/answer.sh

# header NAME WORD: what its header says. Of a folder, the file Header has it.
header() {
	file=tests/wrong-answers/$1.patch
	[ -e "$file" ] || file=tests/wrong-answers/$1/header
	sed -n "s/^$2: //p" "$file"
}

# All are run beforehand, two at a time.
run_all() {
	for wrong in $names; do
		hints=''
		answer "$wrong" || printf '%s' "$hints" >"$work/$wrong.log"
		echo "$wrong" "$lab"
	done >"$work/list"
	# shellcheck disable=SC2016 # for each process's own shell
	xargs -L 1 -P 2 sh -c 'ANSWER=$0/$1 pi/lab test "$2" >>"$0/$1.log" 2>&1 || true' "$work" <"$work/list"
}

# The first step that fails is the one, and its hint holds the words.
is_caught() {
	caught=$(sed -n '/^not ok /{s/^not ok [0-9]* - //p;q}' "$work/$name.log")
	case $caught in
	*"$(header "$name" Step)"*) ;;
	'') fail "It passes, or does not run: $(tail -n 3 "$work/$name.log")" || return ;;
	*) fail "It was caught by another step, \"$caught\": $(grep -A 3 '^not ok' "$work/$name.log" | head -n 4)" ||
		return ;;
	esac
	sed '1,/^not ok /d; /^\(not \)*ok /,$d' "$work/$name.log" | grep -qF -- "$(header "$name" Hint)" ||
		fail "The hint does not hold \"$(header "$name" Hint)\": $(grep -A 5 '^not ok' "$work/$name.log" | head -n 6)"
}

names=$(cd tests/wrong-answers && for entry in *; do echo "${entry%.patch}"; done)
run_all
# shellcheck disable=SC2086 # a list of words
set -- $names
plan $#
for name in $names; do
	step "$name: caught by \"$(header "$name" Step)\"" is_caught
done
finish

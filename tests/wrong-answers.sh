#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each wrong answer in tests/wrong-answers/ is caught by the step that is about
# it, with a hint that leads on. Its header, above what is wrong with it and why
# people do it, has these lines:
#
#   Step: the number of the first step that fails
#   Test: a part of the title of that step, or of the check in it that fails
#   Hint: words of what is said there
#   Shows: how a person meets it, in a sentence
#   Or:    words of what pi/run says when the kernel does not survive that step, if it may not
#
# usage: tests/wrong-answers.sh [NAME...]     all of them, or lab-1-no-mutex alone
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

# All are run beforehand, six at a time, as each sleeps now and then. Of one lab the
# next is built where the last one was: little but the driver changes. With the result
# that comes after the first failure and its hint, a run ends.
run_all() {
	for wrong in $names; do
		hints=''
		answer "$wrong" || printf '%s' "$hints" >"$work/$wrong.log"
		echo "$wrong" "$lab"
	done >"$work/list"
	# shellcheck disable=SC2016 # for each process's own shell
	xargs -L 1 -P 6 --process-slot-var=place sh -c 'ANSWER=$0/lab-$2-$place
		ln -sfn "$0/$1" "$ANSWER"
		export ANSWER
		pi/lab test "$2" 2>&1 | sed "/^not ok /{:hint; n; /^ *\(not \)\{0,1\}ok /Q; b hint}" >>"$0/$1.log"' \
		"$work" <"$work/list"
}

# ends_kernel: it may, and it did, in that step: without a result.
ends_kernel() {
	[ -n "$(header "$name" Or)" ] && ! grep -q '^not ok' "$work/$name.log" &&
		grep -qE "^pi/run: .*(panicked|past help|it hung).*$(header "$name" Or)" "$work/$name.log" &&
		grep -q "Begin with step $(header "$name" Step)\.$" "$work/$name.log"
}

# The first step that fails is the one, the check in it too, and the hint holds the
# words. Whatever else there is to say, somebody has to be able to read it.
is_caught() {
	for word in Step Test Hint Shows; do
		[ -n "$(header "$name" "$word")" ] || fail "Its header has no \"$word: ...\"." || return
	done
	! ends_kernel || return 0
	sed -n '/^not ok /,$p' "$work/$name.log" >"$work/caught"
	[ -s "$work/caught" ] || fail "It passes, or does not run: $(tail -n 3 "$work/$name.log")" || return
	case $(head -n 1 "$work/caught") in
	"not ok $(header "$name" Step) "*) ;;
	*) fail "It was caught by another step: $(head -n 4 "$work/caught")" || return ;;
	esac
	head -n 2 "$work/caught" | sed '2{/^# (/!d}' | tail -n 1 | grep -qF -- "$(header "$name" Test)" ||
		fail "It was caught by another check: $(head -n 4 "$work/caught")" || return
	sed 1d "$work/caught" | grep -qF -- "$(header "$name" Hint)" ||
		fail "The hint does not hold \"$(header "$name" Hint)\": $(head -n 6 "$work/caught")"
}

if [ $# -eq 0 ]; then
	# shellcheck disable=SC2046 # a list of words
	set -- $(cd tests/wrong-answers && for entry in *; do echo "${entry%.patch}"; done)
fi
names=$*
run_all
plan $#
for name in $names; do
	step "$name: caught by step $(header "$name" Step)" is_caught
done
finish

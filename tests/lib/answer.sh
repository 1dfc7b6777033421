# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # work is ktap.sh's
# After ktap.sh: the wrong answers in tests/wrong-answers/, each a patch against a
# lab's solution, or a folder with files in the place of some of its.

# answer NAME: makes the folder $answer, with all that the solution has.
answer() {
	answer=$work/$1
	rm -rf "$answer"
	case $1 in
	lab-[0-9]-*) ;;
	*) fail "$1 does not say whose wrong answer it is: lab-N-..." || return ;;
	esac
	lab=${1#lab-}
	lab=${lab%%-*}
	cp -r solutions/lab-"$lab"-* "$answer"
	if [ -d "tests/wrong-answers/$1" ]; then
		cp -r "tests/wrong-answers/$1/." "$answer"
	else
		patch -s -p3 -d "$answer" <"tests/wrong-answers/$1.patch" >"$work/patch" 2>&1 ||
			fail "tests/wrong-answers/$1.patch does not apply to the solution:
$(cat "$work/patch")"
	fi
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # number and passed are ktap.sh's
# After ktap.sh, when a submission is graded: a step that passes says a word that the
# host made up for it, and that only this shell knows. What a module prints itself has
# none. The file is gone before there is a module, and no other process is told.

read -r codes </grading/codes
rm /grading/codes

say_ok() {
	passed=$((passed + 1))
	echo "ok $number - $1"
	code=${codes#*"$number:"}
	echo "# code $number: ${code%% *}"
}

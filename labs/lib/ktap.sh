# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# One KTAP line a step, with a hint below it when it fails. POSIX sh: busybox
# runs it on the emulated Pi, dash on a Debian.
#
#   plan 2
#   step "the module loads" loads           runs the function loads
#   needs 1 step "the device opens" opens   not reached when step 1 failed
#   finish
#
# A step's function returns 0, or calls `fail` or `skip` with a reason. When there
# are several things to it, each can have a line of its own, above the step's:
#
#   holds_up() {
#       check "a dead engine is given up" gives_up_a_dead_engine &&
#           check "a late one is waited for" waits_for_a_late_engine
#   }

passed=0
number=0
failed=' '
not_reached=' '
hints=''
skipped=''
checks=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

plan() {
	echo 'KTAP version 1'
	echo "1..$1"
}

# fail HINT: says what is wrong and where to look, and ends the step.
fail() {
	hints="$hints$(printf '%s\n' "$1" | sed 's/^/# /')
"
	return 1
}

# lead HINT: the same, in front of the hints that there are already.
lead() {
	later=$hints
	hints=''
	fail "$1" || true
	hints=$hints$later
	return 1
}

# skip REASON: this machine cannot run the step.
skip() {
	skipped=$1
	return 1
}

say_ok() {
	passed=$((passed + 1))
	echo "ok $number - $1"
}

say_not_ok() {
	failed="$failed$number "
	echo "not ok $number - $1"
	printf '%s' "$hints"
}

# before_step, after_step: kernel-log.sh puts its own in their place.
before_step() {
	:
}

after_step() {
	:
}

# attempt FUNCTION: sets $status, $hints and $skipped.
attempt() {
	hints=''
	skipped=''
	before_step
	"$1" && status=0 || status=$?
	after_step || status=1
}

# What is skipped here does not skip the step, as long as something is left of it.
check() {
	checks=$((checks + 1))
	attempt "$2"
	if [ -n "$skipped" ]; then
		echo "    ok $checks - $1 # SKIP $skipped"
	elif [ "$status" -eq 0 ]; then
		checked=$((checked + 1))
		echo "    ok $checks - $1"
	else
		echo "    not ok $checks - $1"
		hints="# ($1)
$hints"
		return 1
	fi
}

step() {
	number=$((number + 1))
	checks=0
	checked=0
	attempt "$2"
	[ "$checked" -eq 0 ] || skipped=''
	if [ -n "$skipped" ]; then
		echo "ok $number - $1 # SKIP $skipped"
	elif [ "$status" -eq 0 ]; then
		say_ok "$1"
	else
		say_not_ok "$1"
	fi
}

# needs N step TITLE FUNCTION: without step N there is nothing to test. What is
# named is the step that N itself was not reached for.
needs() {
	case $failed in
	*" $1 "*)
		number=$((number + 1))
		root=$1
		case $not_reached in
		*" $1:"*)
			root=${not_reached#*" $1:"}
			root=${root%% *}
			;;
		esac
		not_reached="$not_reached$number:$root "
		hints="# Not reached: it needs step $root.
"
		say_not_ok "$3"
		;;
	*)
		step "$3" "$4"
		;;
	esac
}

# Exit status: 0 all passed, 1 a step failed, 4 nothing could be tested.
finish() {
	if [ "$failed" != ' ' ]; then
		first=${failed# }
		echo "# $passed of $number passed. Begin with step ${first%% *}."
		exit 1
	elif [ "$passed" -eq 0 ]; then
		exit 4
	fi
	exit 0
}

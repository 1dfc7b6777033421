# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# A demonstration shows each command before its output, as in a terminal.

# not_loaded MODULE: never a module that somebody else uses.
not_loaded() {
	! grep -q "^$1 " /proc/modules || {
		echo "demo.sh: $1 is loaded already: sudo rmmod $1" >&2
		exit 1
	}
}

run() {
	echo "pi# $1"
	eval "$1"
}

say() {
	printf '\n# %s\n' "$1"
}

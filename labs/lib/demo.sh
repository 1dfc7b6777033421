# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# A demonstration shows each command before its output, as in a terminal.

run() {
	echo "pi# $1"
	eval "$1"
}

say() {
	printf '\n# %s\n' "$1"
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # work is ktap.sh's
# After ktap.sh: the submissions in tests/attacks/. The canary that some look for is
# $work/canary.

# header NAME WORD: what its header says.
header() {
	sed -n "s/^ \* $2: //p" "tests/attacks/$1"
}

# source_of NAME: the one file that an attack is.
source_of() {
	driver=solutions/lab-1-dma-m2m/dma_m2m.c
	case $(header "$1" Base) in
	nothing) cat tests/lib/attack.h "tests/attacks/$1" ;;
	solution)
		grep -v '^module_platform_driver' "$driver"
		cat tests/lib/attack.h "tests/attacks/$1"
		;;
	front) cat "tests/attacks/$1" "$driver" ;;
	esac | sed "s|@CANARY@|$work/canary|"
}

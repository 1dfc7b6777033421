# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # work is the test's
# After ktap.sh: the module of tests/guest/faults.c, whose mistakes a kernel shall report.

# builds_faults KERNEL: for the kernel in that folder; in $work/faults.
builds_faults() {
	mkdir "$work/faults"
	cp tests/guest/Kbuild tests/guest/faults.c "$work/faults"
	pi/kbuild "$1" "$1/headers" M="$work/faults" W=1 >"$work/make" 2>&1 || fail "$(tail -n 5 "$work/make")"
}

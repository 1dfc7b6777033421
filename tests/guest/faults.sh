#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# usage: faults.sh FAULT...
# Steps that pass, but for what the kernel sees in every second one: see faults.c.
set -eu
cd "$(dirname "$0")"

# shellcheck source=labs/lib/ktap.sh
. ../lib/ktap.sh
# shellcheck source=labs/lib/kernel-log.sh
. ../lib/kernel-log.sh
# shellcheck source=labs/lib/leaks.sh
. ../lib/leaks.sh

module=faults

makes_a_mistake() {
	leaks_begin
	{ insmod ./faults.ko fault="$fault" || true; } 2>/dev/null
	case $fault in
	never_*)
		leaks_note
		rmmod faults
		leaks_nothing
		;;
	esac
}

plan $((2 * $# + 1))
# For what waits for ever, which is then a second.
echo 1 2>/dev/null >/proc/sys/kernel/hung_task_timeout_secs || true
step "before" true
for fault in "$@"; do
	! grep -q '^faults ' /proc/modules || rmmod faults
	step "the kernel warns" makes_a_mistake
	step "after" true
done
finish

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The solution of lab 1 passes its own tests on the emulated Pi.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

export SOLUTION=1

passes_plain() {
	make -s test LAB=1 >"$work/out" 2>&1 || fail "$(tail -n 5 "$work/out")"
}

plan 1
step "lab 1's solution passes its tests" passes_plain
finish

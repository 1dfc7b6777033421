#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each lab's solution passes its own tests on the emulated Pi, and what is tested
# is what was written.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

# passes LAB BOUNCE: nothing may be skipped here, everything is there, or warned of.
passes() {
	: >"$work/skipped"
	SOLUTION=1 BOUNCE=$2 make -s test LAB="$1" >"$work/out" 2>&1 ||
		fail "$(grep -A 3 '^not ok' "$work/out" || tail -n 5 "$work/out")" || return
	! grep '# SKIP\|warning:' "$work/out" >"$work/skipped" || fail "$(cat "$work/skipped")"
}

passes_plain() {
	passes "$lab" 0
}

# On the kernel of this release: see tests/matrix for others.
passes_bounced() {
	passes "$lab" 1
}

# There, the kernel has no huge pages.
passes_on_32_bit() {
	BOARD=raspi2b passes "$lab" 1 || [ "$(sed 's/.* SKIP //' "$work/skipped")" = 'the kernel gave no huge pages' ]
}

# A copy of the workbook in which the student's driver is the solution.
student() {
	git clone -q . "$work/book"
	cp solutions/lab-1-dma-m2m/dma_m2m.c "$work/book/labs/lab-1-dma-m2m"
	driver=$work/book/labs/lab-1-dma-m2m/dma_m2m.c
}

builds() {
	SOLUTION='' "$work/book/pi/lab" build 1 >"$work/out" 2>&1
}

# An older file is as good as a newer one: a backup, or what tar unpacked.
tests_what_is_written() {
	student
	builds || fail "$(tail -n 3 "$work/out")" || return
	echo 'no C at all' >>"$driver"
	touch -d 2001-01-01 "$driver"
	! builds || fail 'An older file with other contents was not built.'
}

forgets_what_is_gone() {
	cp solutions/lab-1-dma-m2m/dma_m2m.c "$driver"
	echo '#define GONE 1' >"${driver%/*}/gone.h"
	sed -i '/^#include <linux.completion.h>/i #include "gone.h"' "$driver"
	builds || fail "$(tail -n 3 "$work/out")" || return
	rm "${driver%/*}/gone.h"
	! builds || fail 'A header that was removed is still included.'
}

plan 11
for lab in 1 2 3; do
	step "lab $lab's solution passes its tests, with each mapping a copy" passes_bounced
	step "lab $lab's solution passes them without, too" passes_plain
	step "lab $lab's solution passes them on a 32-bit board, a Pi 2" passes_on_32_bit
done
step "what is tested is what was written, not what is newest" tests_what_is_written
step "what was removed is not used any more" forgets_what_is_gone
finish

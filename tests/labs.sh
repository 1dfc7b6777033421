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

# ---- pi/asked.mk ---------------------------------------------------------------

# In the place of the compiler: one that lists the questions, "STATUS QUESTION".
listing_compiler() {
	mkdir "$work/bin"
	cat >"$work/bin/aarch64-linux-gnu-gcc" <<-EOF
		#!/bin/sh
		$(command -v aarch64-linux-gnu-gcc) "\$@" && status=0 || status=\$?
		case \$* in *' /dev/null '*) echo "\$status \$*" | sed 's/ -o .*//' >>"$work/questions" ;; esac
		exit "\$status"
	EOF
	chmod +x "$work/bin/aarch64-linux-gnu-gcc"
}

# The kernel in a folder of its own, in which nothing has been asked.
new_kernel() {
	kernel=$(pi/kernel)
	mkdir "$work/${kernel##*/}"
	find "$kernel" -mindepth 1 -maxdepth 1 ! -name 'asked-*' -exec ln -s {} "$work/${kernel##*/}" \;
	kernel=$work/${kernel##*/}
}

# builds_anew NAME: a lab, by that compiler; what it was asked is in $work/NAME.
builds_anew() {
	find "$work/copy/lab-1" -name 'dma_m2m*o' -delete
	: >"$work/questions"
	PATH=$work/bin:$PATH pi/kbuild "$kernel" "$work/copy/lab-1" >"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
	sort "$work/questions" >"$work/$1"
	cp "$work/copy/lab-1/dma_m2m.ko" "$work/$1.ko"
}

asks_once() {
	folder=$(SOLUTION=1 pi/lab build 1 2>"$work/out") || fail "$(cat "$work/out")" || return
	mkdir "$work/copy"
	cp -r "$folder" "$work/copy/lab-1"
	cp -r "$folder/../lib" "$work/copy"
	listing_compiler
	new_kernel
	builds_anew first && builds_anew second || return
	[ "$(grep -c '^0 ' "$work/first")" -gt 10 ] || fail "It was asked little: $(cat "$work/first")" || return
	grep -v '^0 ' "$work/first" | cmp - "$work/second" >"$work/out" 2>&1 ||
		fail "Not what had a no, and that alone, was asked again: $(cut -c 1-300 "$work/second")" || return
	cmp "$work/first.ko" "$work/second.ko" >"$work/out" 2>&1 || fail "The modules differ: $(cat "$work/out")"
}

# What cannot be kept is asked each time, and stops nothing: here there is a folder in the way.
asks_all_the_same() {
	rm "$kernel"/asked-*
	mkdir "$kernel/asked-$({ aarch64-linux-gnu-gcc --version && aarch64-linux-gnu-ld --version; } |
		cksum | cut -d ' ' -f 1)"
	builds_anew third || return
	cmp "$work/first" "$work/third" >"$work/out" 2>&1 || fail "It was not asked the same: $(cat "$work/out")"
}

plan 13
for lab in 1 2 3; do
	step "lab $lab's solution passes its tests, with each mapping a copy" passes_bounced
	step "lab $lab's solution passes them without, too" passes_plain
	step "lab $lab's solution passes them on a 32-bit board, a Pi 2" passes_on_32_bit
done
step "what is tested is what was written, not what is newest" tests_what_is_written
step "what was removed is not used any more" forgets_what_is_gone
step "what the compiler has said yes to is not asked again" asks_once
needs 12 step "where that cannot be kept, it is" asks_all_the_same
finish

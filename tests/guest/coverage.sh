#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On the emulated Pi, in a lab's folder: its tests, then the fuzzer; and then, as text, what
# gcov has counted of each source.
#
# usage: coverage.sh MODULE DEVICE OPERATIONS SEED
set -eu
failed=""
./test.sh || failed=yes
insmod "$(find . -name "$1.ko")" timeout_ms=60000
chmod 666 "$2"
shift
/fuzz/fuzz "$@"
rmmod "$(lsmod | awk '/^dma_/ { print $1 }')"
for counted in $(find /sys/kernel/debug/gcov -name '*.gcda' | grep /dma_); do
	echo "counted: ${counted##*/}"
	base64 "$counted"
done
[ -z "$failed" ]

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What of each driver its tests and the fuzzer reach, line by line, by gcov on the debug
# kernel: nine tenths of it at least. What is not reached stands in tests/not-reached,
# with the reason; and nothing else does.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

operations=10000

# "LAB MODULE DEVICE"
labs='1 dma_m2m /dev/dma_m2m_misc_dev
2 dma_mmap_driver /dev/dma_mmap
3 dma_sg_driver /dev/dma_sg'

# The solution, to be counted.
counting() {
	cp -r solutions/lab-"$lab"-* "$work/counting-$lab"
	kbuild=$(cd labs/lab-"$lab"-* && find . -name Kbuild)
	cp labs/lab-"$lab"-*/"$kbuild" "$work/counting-$lab/$kbuild"
	echo 'GCOV_PROFILE := y' >>"$work/counting-$lab/$kbuild"
	ANSWER=$work/counting-$lab KERNEL=debug pi/lab build "$lab" 2>"$work/out" || fail "$(cat "$work/out")"
}

# brought FOLDER: what its tests take, by the names that they know.
brought() {
	stage=$(dirname "$1")
	find "$stage/lib" \( -name '*.sh' -o -name kernel-reports \) -printf '%p=labs/lib/%P\n'
	find "$1" -type f \( -perm -100 -o -name '*.ko' \) -printf "%p=labs/${1##*/}/%P\n"
}

# run FOLDER: two guests' worth of work, under KASAN.
run() {
	aarch64-linux-gnu-gcc -O2 -static -Ilabs/lab-2-dma-mmap/driver -Ilabs/lab-3-sg/driver \
		-o "$work/fuzz" tests/guest/fuzz.c
	# shellcheck disable=SC2046 # no space in a name
	pi/run -k debug -t 3000 -d "/labs/${1##*/}" -l "$work/console-$lab" \
		-a 'iomem=relaxed maxcpus=2 swiotlb=512,force' $(brought "$1" | LC_ALL=C sort) \
		"$work/fuzz=fuzz/fuzz" tests/guest/coverage.sh=fuzz/coverage.sh -- \
		/fuzz/coverage.sh "$module" "$device" "$operations" 1 >"$work/said-$lab" 2>&1 </dev/null
}

# count FOLDER: gcov's own text: "COUNT:LINE:SOURCE".
count() {
	notes=$(find "$1" -name "$module.gcno")
	sed '1,/^counted: /d' "$work/said-$lab" | base64 -di >"${notes%.gcno}.gcda" &&
		aarch64-linux-gnu-gcov -t -o "$(dirname "$notes")" "${notes%.gcno}.gcda" >"$work/gcov-$lab" 2>"$work/out" ||
		fail "$(cat "$work/out")"
}

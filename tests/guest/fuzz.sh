#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On the emulated Pi: fuzzes one of the labs' devices, with all three drivers there, and
# looks at what is left of it.
#
# usage: fuzz.sh DEVICE OPERATIONS SEED
set -eu
cd "$(dirname "$0")"
modules='dma_m2m dma_mmap_driver dma_sg_driver'

# A time-out is a matter of the machine's load, and none of the driver's then.
load() {
	for module in $modules; do
		insmod "$module.ko" timeout_ms=60000
	done
	chmod 666 /dev/dma_m2m_misc_dev /dev/dma_mmap /dev/dma_sg
}

unload() {
	for module in $modules; do
		rmmod "$module" || echo "FOUND: $module does not unload." >>left
	done
}

# What the kernel has out; each processor counts for itself, and stat_refresh adds them up.
books() {
	echo 3 >/proc/sys/vm/drop_caches
	cat /proc/sys/vm/stat_refresh
	awk '/^nr_foll_pin_acquired/ { n += $2 } /^nr_foll_pin_released/ { n -= $2 }
		END { print "pins:", n }' /proc/vmstat
	echo "bounce buffers: $(cat /sys/kernel/debug/swiotlb/io_tlb_used)"
	awk '/^MemFree:/ { print "free: " $2 }' /proc/meminfo
}

# compare BEFORE AFTER: the same is out; of memory, no more than processors keep at hand.
compare() {
	[ "$(grep -v free "$1")" = "$(grep -v free "$2")" ] ||
		echo "FOUND: left over: $(grep -v free "$1" | paste -sd ' '), and then $(grep -v free "$2" | paste -sd ' ')"
	lost=$(($(sed -n 's/free: //p' "$1") - $(sed -n 's/free: //p' "$2")))
	[ "$lost" -lt 32768 ] || echo "FOUND: $lost KiB of memory are gone."
}

# The first operations take memory that the kernel keeps for the next.
load
./fuzz "$1" 1 1 >/dev/null
books >before
./fuzz "$@"
books >after
compare before after >left
unload
cat left
[ ! -s left ]

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On the emulated Pi: breaks it in the ways that are named, one after the other, and
# shows what the doctor finds. What can be mended is.
#
# usage: doctor.sh WAY...
set -u
cd /labs/lab-1-dma-m2m || exit

module=dma_m2m.ko
enable=0x3f007ff0

examined() {
	"$@" 2>&1
	echo "exit $?"
}

as_it_is() {
	examined doctor
}

loaded() {
	insmod $module
	examined doctor
}

ordinary_user() {
	examined su student -c doctor
}

engine_off() {
	was=$(busybox devmem $enable)
	busybox devmem $enable 32 $((was & ~1))
	examined doctor
	busybox devmem $enable 32 "$was"
}

stale() {
	mv $module /mine.ko
	cp /fails.ko $module
	examined doctor
}

# What was built last is loaded now.
not_bound() {
	rmmod dma_m2m
	insmod $module
	examined doctor
	rmmod dma_m2m
}

other_kernel() {
	cp /other.ko $module
	examined doctor
	mv /mine.ko $module
}

clock_behind() {
	touch -d '2030-01-01 00:00' $module
	examined doctor
}

lab_2_too() {
	insmod $module
	insmod ../lab-2-dma-mmap/driver/dma_mmap_driver.ko
	examined doctor
}

# What a lab's test does when it wants to stop the engine.
stops_engine() {
	insmod $module
	(
		# shellcheck source=labs/lib/ktap.sh
		. ../lib/ktap.sh
		# shellcheck source=labs/lib/engine.sh
		. ../lib/engine.sh
		# shellcheck disable=SC2154 # ktap.sh's
		engine_find dma0chan0 || echo "skipped: $skipped"
	)
}

for way in "$@"; do
	echo "== $way"
	"$way"
done
echo '=='

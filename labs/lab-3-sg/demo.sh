#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Shows lab 3 at work: sudo ./demo.sh, here or on a real Pi.
set -eu
cd "$(dirname "$0")"
# shellcheck source=labs/lib/demo.sh
. ../lib/demo.sh
not_loaded dma_sg_driver

control=/sys/kernel/debug/dynamic_debug/control

say 'Lab 3: a copy between any two places of a program'"'"'s memory.'
run 'insmod driver/dma_sg_driver.ko'
run 'ls /dev/dma_sg'
run "grep 'DMA IRQ' /proc/interrupts"

say 'Two MiB on small pages: what lies side by side in memory goes at once.'
run 'head -c 2097152 /dev/urandom > /tmp/random'
run './app/dma_sg_app /tmp/random'
run "grep 'DMA IRQ' /proc/interrupts"

# Most 32-bit kernels have none.
if [ -e /sys/kernel/mm/transparent_hugepage ]; then
	say 'On huge pages.'
	run './app/dma_sg_app -H /tmp/random'
fi

say 'Five bytes off: what is only in part a cache line, and a cut word, is the CPU'"'"'s.'
run './app/dma_sg_app -o 5 /tmp/random'

say 'A small copy, stage by stage, as the driver saw it.'
run "echo module dma_sg_driver +p > $control"
run 'head -c 9000 /tmp/random | ./app/dma_sg_app'
run "dmesg | grep -o 'soc:dma-sg: .*' | tail -n 6"
run 'rmmod dma_sg_driver'
rm -f /tmp/random

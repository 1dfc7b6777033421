#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Shows lab 2 at work: sudo ./demo.sh [TEXT], here or on a real Pi.
set -eu
cd "$(dirname "$0")"
# shellcheck source=labs/lib/demo.sh
. ../lib/demo.sh
not_loaded dma_mmap_driver

text=$(printf '%s' "${1:-one-two-three}" | sed "s/'/'\\\\''/g")
case $text in
-*) text="-- '$text'" ;;
*) text="'$text'" ;;
esac

say 'Lab 2: memory that a program and the DMA engine share.'
run 'insmod driver/dma_mmap_driver.ko dyndbg=+p'

say 'A program stores text in one mapping; the DMA engine copies it to the other.'
run "app/dma_mmap_app $text"

say 'The same two as the driver and the engine see them, and the interrupt of the copy.'
run "dmesg | grep -o 'soc:dma-mmap: .*' | tail -n 4"
run "grep 'DMA IRQ' /proc/interrupts"

say 'The module itself, its first 64 KiB, as standard input.'
run 'head -c 65536 driver/dma_mmap_driver.ko | app/dma_mmap_app | tail -n 1'
run 'rmmod dma_mmap_driver'

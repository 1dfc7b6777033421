#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Shows lab 1 at work: sudo ./demo.sh [TEXT], here or on a real Pi.
set -eu
cd "$(dirname "$0")"
# shellcheck source=labs/lib/demo.sh
. ../lib/demo.sh
not_loaded dma_m2m

case ${1-} in
-*)
	echo 'demo.sh: the text goes to echo: it cannot begin with "-"' >&2
	exit 2
	;;
esac
text=$(printf '%s' "${1:-one-two-three}" | sed "s/'/'\\\\''/g")

say "A Raspberry Pi: this one is $(tr -d '\0' </proc/device-tree/model)."
run 'uname -srm'

say "Lab 1: memory to memory. The driver makes its device, and holds a DMA channel."
run 'insmod dma_m2m.ko dyndbg=+p'
run 'ls /dev/dma_m2m_misc_dev'
run "grep 'DMA IRQ' /proc/interrupts"

say 'What is written goes to one buffer; the DMA engine copies it to the other.'
run "echo '$text' > /dev/dma_m2m_misc_dev"
run 'cat /dev/dma_m2m_misc_dev'

say 'The transfer, stage by stage, as the driver saw it; and its interrupt.'
run "dmesg | grep -o 'soc:dma-m2m: .*' | tail -n 4"
run "grep 'DMA IRQ' /proc/interrupts"

say 'The first 64 KiB of the module itself, in one transfer.'
run 'dd if=dma_m2m.ko of=/dev/dma_m2m_misc_dev bs=64k count=1 2>/dev/null'
run 'head -c 65536 dma_m2m.ko | cmp - /dev/dma_m2m_misc_dev && echo the same'
run 'rmmod dma_m2m'

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On the emulated Pi, with lab 1's module: the channels of its DMA controller.
set -eu
# shellcheck source=labs/lib/demo.sh
. /labs/lib/demo.sh

say 'The channels that the device tree gives to Linux, a bit each, and how many that makes.'
run 'od -A n -t x1 /proc/device-tree/soc/dma*/brcm,dma-channel-mask'
run 'ls /sys/class/dma | wc -l'

say 'Who asks for any channel gets the first that is free, and its interrupt.'
run 'insmod dma_m2m.ko'
run 'grep -l 1 /sys/class/dma/*/in_use'
run "grep 'DMA IRQ' /proc/interrupts"

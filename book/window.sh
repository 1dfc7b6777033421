#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On the emulated Pi: where its memory is for the CPU, and for the devices below /soc.
set -eu
# shellcheck source=labs/lib/demo.sh
. /labs/lib/demo.sh

run "grep 'System RAM' /proc/iomem"
run 'od -A n -t x1 /proc/device-tree/soc/dma-ranges'

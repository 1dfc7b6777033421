# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # work is ktap.sh's
# After ktap.sh: makes the DMA controller misbehave, at its registers (BCM2835 ARM
# Peripherals, chapter 4): a channel whose bit in ENABLE is clear never answers.
#
#   engine_find dma0chan3   which channel of the controller that is
#   engine_stop             what is submitted from now on does not run
#   engine_start            what is submitted from now on runs
#   engine_wake             what was submitted while it was stopped runs now
#   engine_wake_short 4096  the same, but no more than 4096 bytes of it are copied
#
# /dev/mem reaches registers that a driver has claimed only if the kernel was
# booted with iomem=relaxed.

register() {
	busybox devmem "$@"
}

# Whether Linux has all the channels of the mask: Raspberry Pi's own kernel can keep some, and
# has those of the Pi 4's other kind in a second device, which begins inside of a page.
engine_is_whole() {
	bits=0 rest=$mask
	while [ "$rest" -gt 0 ]; do
		bits=$((bits + (rest & 1))) rest=$((rest >> 1))
	done
	set -- "$owner"/dma/dma*chan*
	[ $# -eq "$bits" ] && [ $((engine & 0xfff)) -eq 0 ]
}

# dma0chan3 is the channel of the fourth bit that is set in the mask of those
# that the firmware leaves to Linux.
engine_locate() {
	owner=$(readlink -f "/sys/class/dma/$1/device")
	engine=${owner##*/}
	engine=0x${engine%%.*}
	register "$engine" >"$work/devmem" 2>&1 ||
		skip "the engine cannot be stopped: is iomem=relaxed set, and busybox there? $(head -n 1 "$work/devmem")" ||
		return
	mask=$((0x$(od -An -v -t x1 "$owner/of_node/brcm,dma-channel-mask" | tr -d ' ')))
	engine_is_whole ||
		skip "which of the controller's channels $1 is cannot be told: Linux has others than the mask" || return
	left=${1##*chan}
	bit=0
	while [ $((mask >> bit & 1)) -eq 0 ] || [ "$left" -gt 0 ]; do
		left=$((left - (mask >> bit & 1)))
		bit=$((bit + 1))
	done
	engine_enable=$((engine + 0xff0))
	engine_control=$((engine + bit * 0x100))
	engine_block=$((engine_control + 4))
	engine_found=$1
	engine_stopped=unknown
}

# Once for a channel; what a step has stopped runs again.
engine_find() {
	[ "${engine_found-}" = "$1" ] || engine_locate "$1" || return
	[ -z "$engine_stopped" ] || engine_start
}

engine_stop() {
	engine_stopped=yes
	register "$engine_enable" 32 $(($(register "$engine_enable") & ~(1 << bit)))
}

engine_start() {
	register "$engine_enable" 32 $(($(register "$engine_enable") | 1 << bit))
	engine_stopped=''
}

engine_wake() {
	engine_start
	register "$engine_control" 32 0
	register "$engine_control" 32 1
}

# The address of a control block is there as long as its transfer is not done.
engine_has_work() {
	[ $(($(register "$engine_block"))) -ne 0 ]
}

# short_copy's control blocks are there as long as somebody reads from it.
engine_wake_short() {
	./short_copy "$(register "$engine_block")" "$1" | {
		read -r block && register "$engine_block" 32 "$block" && engine_wake && ! engine_has_work
	}
}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The published lab 2, which hangs on the Pi: what it does to an emulated one, and
# what each of its faults does there alone. What froze a real board is not known
# from this; what the emulated one shows is.
#
# usage: tests/hang.sh
#        tests/hang.sh show ANSWER WHAT...    what hang/show.sh shows of one, as it is
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/answer.sh
. tests/lib/answer.sh

# shown WHAT...: what hang/show.sh shows of $answer.
shown() {
	ANSWER=$answer APPEND="maxcpus=2 $append" OVERLAY=$overlay pi/lab run 2 \
		tests/hang/show.sh=show.sh "$work/two_files=two_files" -- /show.sh "$@" \
		2>"$work/err" >"$work/out" || true
}

# shows TEXT WHAT...: just TEXT is shown of $answer; addresses get one name.
shows() {
	text=$1
	shift
	shown "$@"
	sed -i 's/0x[0-9a-f]*/ADDRESS/g' "$work/out"
	echo "$text" | diff - "$work/out" >"$work/diff" || fail "$(cat "$work/diff" "$work/err")"
}

append=''
overlay=${OVERLAY-}
mapped='/dev/dma_mmap: the source is mapped at ADDRESS, the destination at ADDRESS.'
stored="$mapped
Stored in the source: \"sixteen letters.\"
ioctl(DMA_MMAP_COPY) has copied 16 bytes."
good="$stored
Read in the destination: \"sixteen letters.\"
Both are the same, and what follows in the destination is still zero.
exit 0"
empty="$stored
Read in the destination: \"\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\"
dma_mmap_app: the destination is not what the source is
exit 1"
killed="$mapped
Bus error
exit 135"

# Its bus address is not even memory for the CPU.
published_in_soc() {
	answer lab-2-published && shows "$killed" copy
}

# There, bus and physical addresses are equal, and the copy comes out right.
published_at_root() {
	overlay=tests/hang/at-root.dts
	shows "$good
the second file begins with: my own
the first file reads: somebody else's
the kernel: WARNING at mm/slab_common.c" copy files && overlay='' && return
	overlay=''
	return 1
}

bus_as_page_frame() {
	answer lab-2-bus-as-page-frame && shows "$killed" copy
}

waits_for_ever() {
	answer lab-2-waits-for-ever && shows "$good
State D (disk sleep)
ShdPnd 0000000000000100
it is gone only when the engine has run" copy dead
}

# The pages that one has mapped are given to the other.
frees_in_ioctl() {
	answer lab-2-frees-in-ioctl && shows "$good
the second file begins with: nothing
the first file reads: somebody else's
the kernel: WARNING at mm/vmalloc.c" copy files
}

# bounced: right as long as CPU and engine see the same memory anyway.
bounced() {
	shows "$good" copy || return
	append=swiotlb=force
	shows "$empty" copy && append='' && return
	append=''
	return 1
}

maps_source_once() {
	answer lab-2-maps-source-once && bounced
}

maps_destination_to_device() {
	answer lab-2-maps-destination-to-device && bounced
}

shares_buffers() {
	answer lab-2-shares-buffers && shows "$good
the second file begins with: my own
the first file reads: somebody else's" copy files
}

# The same, looked at in the same way.
solution_does_not() {
	answer=solutions/lab-2-dma-mmap
	for append in '' swiotlb=force; do
		shows "$good
the second file begins with: nothing
the first file reads: my own
it is gone" copy files dead || return
	done
}

"${CROSS_COMPILE:-aarch64-linux-gnu-}gcc" -O2 -Wall -Wextra -static -Ilabs/lab-2-dma-mmap/driver \
	-o "$work/two_files" tests/hang/two_files.c

if [ "${1-}" = show ]; then
	answer "$2"
	shift 2
	shown "$@"
	cat "$work/out"
	exit
fi
plan 9
step "the published driver: the first store to its mapping kills the program" published_in_soc
step "the same, its node outside of /soc: it copies, shares what it has, and frees it twice" published_at_root
step "the bus address as a page frame: the first store to the mapping kills the program" bus_as_page_frame
step "a wait without a bound: with a dead engine, SIGKILL does not end the program" waits_for_ever
step "buffers freed in the ioctl: a mapping shows what another program writes" frees_in_ioctl
step "the source mapped once: where mappings are copies, the engine has old bytes" maps_source_once
step "the destination mapped to the device: there, what it writes does not arrive" maps_destination_to_device
step "buffers shared by all: one program reads what another wrote" shares_buffers
step "the solution does none of that" solution_does_not
finish

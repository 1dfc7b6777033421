#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On the emulated Pi: what a lab's driver needs fails, each time that it needs it.
# nth has the kernel fail allocations, with the Pi's own engine; then provider.ko stands
# in for that, and fails in the ways that no other can.
#
# usage: failing.sh LAB [STEP...]    all steps, or these calls and functions alone
# shellcheck disable=SC2034 # module and others are for driver.sh
set -eu
cd "$(dirname "$0")"

lab=$1
shift
case $lab in
1)
	module=dma_m2m device=/dev/dma_m2m_misc_dev node=dma-m2m
	calls_of_lab='probe open write read' refused=ENOMEM ended=EIO
	;;
2)
	module=dma_mmap_driver device=/dev/dma_mmap node=dma-mmap
	calls_of_lab='probe open mmap ioctl' refused='' ended=EIO
	;;
3)
	module=dma_sg_driver device=/dev/dma_sg node=dma-sg
	calls_of_lab='probe open ioctl' refused=EIO ended=EREMOTEIO
	;;
esac
ko=driver.ko
# shellcheck source=labs/lib/driver.sh
. ../lib/driver.sh

bus=/sys/bus/platform
pis=$bus/drivers/bcm2835-dma
provider=/sys/module/provider/parameters
debug=/sys/kernel/debug

# ---- allocations -------------------------------------------------------------

# All of them can fail that slub_debug=A allows, and nothing is told of each.
order_faults() {
	echo Y >"$debug/failslab/cache-filter"
	for kind in failslab fail_page_alloc; do
		echo N >"$debug/$kind/ignore-gfp-wait"
	done
	echo N >"$debug/fail_page_alloc/ignore-gfp-highmem"
	echo 0 >"$debug/fail_page_alloc/min-order"
	for kind in failslab fail_page_alloc fail_usercopy; do
		echo 0 >"$debug/$kind/verbose"
	done
}

# What probe() returned is told by the bus, in the log alone.
probe_errors() {
	step_log | sed -n "s/.*soc:$node.*\(failed with\|:\) error \(-[A-Z0-9]*\).*/\2/p" |
		grep -vxE -- '-12|-ENOMEM|-19|-ENODEV' || true
}

# call_survives: the one in $function. nth itself has probe() called, and not by insmod.
call_survives() {
	[ -e /proc/self/fail-nth ] || skip 'this kernel fails no allocation: KERNEL=debug does' || return
	order_faults
	[ "$function" != probe ] || echo 0 >"$bus/drivers_autoprobe"
	[ "$function" = probe ] || loaded || insmod "./$ko"
	says_nth "$function" && got=0 || got=$?
	echo 1 >"$bus/drivers_autoprobe"
	[ "$got" -eq 0 ] || return
	[ "$(cat "$debug/dma-api/disabled")" = N ] || fail 'The DMA-API checker has switched itself off.' || return
	[ -z "$(probe_errors)" ] || fail "probe() failed with error $(probe_errors | sort -u)."
}

# says_nth WORD...: what it has to say, of this lab.
says_nth() {
	./nth "$lab" "$@" >"$work/said" || fail "$(cat "$work/said")" || return
	sed 's/^/# /' "$work/said"
}

# ---- the provider's faults ---------------------------------------------------

copies_right() {
	./nth "$lab" once >"$work/said" || fail "After that, $(cat "$work/said")."
}

# provider_fails PARAMETER NONE ERROR: what is ordered by it, NONE takes back.
provider_fails() {
	says_nth "$1" "$3" && got=0 || got=$?
	echo "$2" >"$provider/$1"
	[ "$got" -eq 0 ] && copies_right
}

descriptors() {
	provider_fails prepare 0 ENOMEM
}

submissions() {
	provider_fails submit 0 EBUSY
}

transfers() {
	provider_fails transfer 0 "$ended"
}

# From no room at all on, a page more each time, until a copy has enough.
mappings() {
	provider_fails room -1 "$refused"
}

# ---- channels -----------------------------------------------------------------

# None, where there is no DMA driver at all.
channels_held() {
	grep -l '^[1-9]' /sys/class/dma/*/in_use 2>/dev/null || true
}

no_device() {
	[ ! -e "$device" ] || fail "There is no channel, and $device is there." || return
	[ -z "$(channels_held)" ] || fail "A channel is in use: $(channels_held)"
}

deferred() {
	grep -q "^soc:$node" "$debug/devices_deferred"
}

# As long as there is no DMA driver at all, one may come.
waits_for_provider() {
	! loaded || rmmod "$module"
	echo 3f007000.dma >"$pis/unbind"
	insmod "./$ko" || fail "insmod: see dmesg" || return
	no_device || return
	deferred || fail 'There is no DMA driver yet, and probe() does not return -EPROBE_DEFER.' || return
	insmod ./provider.ko
	soon [ -c "$device" ] || fail "There is a channel now, and no $device." || return
	copies_right
}

all_taken() {
	rmmod "$module"
	echo 1 >"$provider/taken"
	insmod "./$ko" || fail "insmod: see dmesg" || return
	no_device || return
	! deferred || fail 'All channels are taken, and probe() returns -EPROBE_DEFER.' || return
	echo 0 >"$provider/taken"
	echo "soc:$node" >"$bus/drivers_probe"
	[ -c "$device" ] || fail "There is a channel now, and no $device." || return
	copies_right
}

leaves_nothing() {
	leaks_note
	goes || return
	leaks_nothing || return
	! grep -q '^provider ' /proc/modules || rmmod provider
	[ -e "$pis/3f007000.dma" ] || echo 3f007000.dma >"$pis/bind"
}

# ---- which -----------------------------------------------------------------------

title() {
	case $1 in
	waits_for_provider) echo 'it waits for a DMA driver' ;;
	all_taken) echo 'all channels are taken' ;;
	mappings) echo 'each mapping fails' ;;
	descriptors) echo 'each descriptor is not prepared' ;;
	submissions) echo 'each submission is refused' ;;
	transfers) echo 'each transfer ends with an error' ;;
	leaves_nothing) echo 'when it has gone, nothing is left' ;;
	*) echo "each allocation of $1() fails once" ;;
	esac
}

all_steps() {
	echo "$calls_of_lab" waits_for_provider all_taken
	[ -z "$refused" ] || echo mappings
	echo descriptors submissions transfers leaves_nothing
}

# shellcheck disable=SC2046 # a list of words
[ $# -gt 0 ] || set -- $(all_steps)
plan $#
driver_begin
for function in "$@"; do
	case " $calls_of_lab " in
	*" $function "*) step "$(title "$function")" call_survives ;;
	*) step "$(title "$function")" "$function" ;;
	esac
done
finish

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Tests lab 1, one line a step: sudo ./test.sh, here or on a real Pi.
set -eu
cd "$(dirname "$0")"

# shellcheck source=labs/lib/ktap.sh
. ../lib/ktap.sh
# shellcheck source=labs/lib/kernel-log.sh
. ../lib/kernel-log.sh
# shellcheck source=labs/lib/engine.sh
. ../lib/engine.sh
# shellcheck source=labs/lib/witness.sh
. ../lib/witness.sh
# shellcheck source=labs/lib/driver.sh
. ../lib/driver.sh

module=dma_m2m
ko=dma_m2m.ko
device=/dev/dma_m2m_misc_dev
node=dma-m2m
buffer=65536

# write_once LENGTH [bad]: what one write(2) of $work/data returned. The shell's
# own words about a process that was killed are of no use.
write_once() {
	{ ./one_write "$device" "$@" <"$work/data" || no_answer $?; } 2>/dev/null
}

# no_answer STATUS: why one_write said nothing: see the signals of kill -l.
no_answer() {
	case $1 in
	142) echo 'nothing within 10 s' ;;
	*) echo 'nothing: the driver crashed' ;;
	esac
}

# transfer LENGTH: writes fresh random bytes to the device in one write(2).
transfer() {
	random "$1"
	written=$(write_once "$1")
	case $written in
	"$1") ;;
	ETIMEDOUT | 'nothing within'*) fail \
		"A write() of $1 bytes returned $written. Is the transfer started, by
dma_async_issue_pending()? Is the callback set, and does it call complete()?" ;;
	EIO) fail \
		"A write() of $1 bytes returned EIO: the buffers differ.
Are they compared only after dma_unmap_single()? Until then they are the engine's." ;;
	*) fail "A write() of $1 bytes returned $written." ;;
	esac
}

# reads_back LENGTH: the device gives $work/data, of that length, then its end.
reads_back() {
	head -c $(($1 + 1)) "$device" | cmp "$work/data" - >"$work/cmp" 2>&1 || fail \
		"$1 bytes were written, and read() gave others: $(cat "$work/cmp").
Is the buffer read only after dma_unmap_single()? Does read() move *ppos on, and return 0 at the end?"
}

# ---- the kernel's books -----------------------------------------------------

# One write(2) of a page, with the kernel's calls recorded; once is enough. Other
# devices' mappings, by an interrupt that came in between, are not ours.
watch_a_write() {
	can_witness || return
	[ ! -e "$calls" ] || return 0
	random 4096
	witness ./one_write "$device" 4096 <"$work/data" >/dev/null 2>&1 || true
	grep -E "device=\"($controller|.*dma-m2m)\"" "$calls" >"$work/mappings" || true
}

# mappings PATTERN: how many of our maps and unmaps match.
mappings() {
	grep -c -- "$1" "$work/mappings" || true
}

# bus_of DIRECTION: the bus address that mapping in that direction gave.
bus_of() {
	sed -n "/^map .* direction=$1\$/{n;s/^mapped bus=//p;}" "$calls"
}

# ---- the steps --------------------------------------------------------------

# Whether the transfer itself works is for later steps to say.
takes_data() {
	: >"$work/data"
	written=$(write_once 0)
	[ "$written" = 0 ] || fail "A write() of no bytes returned $written." || return
	written=$(write_once 16 bad)
	[ "$written" = EFAULT ] ||
		fail "A write() from a bad address returned $written: what did copy_from_user() return?" || return
	random $((buffer + 4096))
	written=$(write_once $((buffer + 4096)))
	case $written in
	"$buffer" | ETIMEDOUT | EIO | ENOMEM | nothing*) ;;
	*) fail "A write() of $((buffer + 4096)) bytes returned $written, not the $buffer that fit the buffer." ;;
	esac
}

maps_both_buffers() {
	watch_a_write || return
	[ "$(mappings '^map ')" -eq 2 ] ||
		fail "dma_map_single() was called $(mappings '^map ') times in one write(), not once a buffer." || return
	[ "$(mappings "^map device=\"$controller\"")" -eq 2 ] || fail \
		"A buffer was not mapped for $controller, the device that moves the data:
see dmaengine_get_dma_device()." || return
	[ "$(mappings '^map .* direction=1$')" -eq 1 ] && [ "$(mappings '^map .* direction=2$')" -eq 1 ] ||
		fail "The source goes DMA_TO_DEVICE (1), the destination comes DMA_FROM_DEVICE (2); seen:
$(grep '^map ' "$work/mappings")" || return
	[ "$(mappings '^map .* length=4096 ')" -eq 2 ] ||
		fail "4096 bytes were written, but not 4096 mapped at each end."
}

submits_one_descriptor() {
	watch_a_write || return
	[ "$(called '^prepare ')" -eq 1 ] ||
		fail "$(called '^prepare ') descriptors were prepared for one write(): see dmaengine_prep_dma_memcpy()." || return
	[ "$(called "^prepare to=$(bus_of 2) from=$(bus_of 1) length=4096\$")" -eq 1 ] || fail \
		"The descriptor is: $(grep '^prepare' "$calls"). It should be
to=$(bus_of 2) from=$(bus_of 1) length=4096, the bus addresses that dma_map_single() gave." || return
	[ "$(called '^submit')" -eq 1 ] ||
		fail "The descriptor was prepared and not submitted: see dmaengine_submit()."
}

runs_on_the_engine() {
	[ -n "$irq" ] || skip "$channel shares its interrupt with other channels" || return
	before=$(our_interrupts)
	for _ in 1 2 3 4 5; do
		transfer 4096 || return
	done
	raised=$(($(our_interrupts) - before))
	[ "$raised" -eq 5 ] || fail \
		"5 writes raised $raised interrupts of the DMA controller, not one each:
without dma_async_issue_pending() nothing moves, and a copy by the CPU raises none."
}

# A length that is no multiple of four makes QEMU run on for ever: say so first.
gives_back_every_byte() {
	echo '<6>dma-labs: lengths that are no multiple of 4 come now' >/dev/kmsg
	for length in 4 65536 1 2 3 63 4097 65535; do
		transfer "$length" && reads_back "$length" || return
	done
	dd if="$device" bs=4099 2>/dev/null | cmp -s - "$work/data" ||
		fail "read() of 4099 bytes at a time gives other bytes than read() of all." || return
	random 8
	{ cat "$work/data" >&5 && cmp -s "$work/data" - <&5 && cat "$work/data" >&5 &&
		cmp -s "$work/data" - <&5; } 5<>"$device" ||
		fail "A file that was opened once does not read back what it wrote: see *ppos." || return
	random $((buffer + 5))
	cat "$work/data" >"$device"
	tail -c 5 "$work/data" | cmp -s - "$device" ||
		fail "cat wrote $buffer + 5 bytes in two pieces; the last 5 did not come back."
}

unmaps_both_buffers() {
	watch_a_write || return
	sed -n 's/^map //p' "$work/mappings" | sort >"$work/mapped"
	sed -n 's/^unmap //p' "$work/mappings" | sort >"$work/unmapped"
	cmp -s "$work/mapped" "$work/unmapped" ||
		fail "dma_unmap_single() has to undo each dma_map_single(). Mapped:
$(cat "$work/mapped")
Unmapped:
$(cat "$work/unmapped")" || return
	[ "$(sed -n '/^issue/,$p' "$calls" | grep -c '^unmap ')" -eq "$(called '^unmap ')" ] ||
		fail "A buffer was unmapped before the engine had it: see dma_async_issue_pending()."
}

# ---- an engine that misbehaves ----------------------------------------------

# write_in_background: fresh random bytes; what came of it will be in $work/said.
write_in_background() {
	random 4096
	background ./one_write "$device" 4096
	soon engine_has_work || fail 'The transfer did not come to the engine.'
}

works_again() {
	transfer 4096 && reads_back 4096 && return
	fail 'That was the transfer after the one that went wrong.'
}

gives_up_a_dead_engine() {
	engine_find "$channel" && waits_at_most 100 || return
	random 4096
	engine_stop
	background witness ./one_write "$device" 4096
	soon job_ended || {
		engine_wake
		fail "A write() to a dead engine waits without a bound, not timeout_ms."
	} || return
	wait "$job" || no_answer $? >"$work/said"
	stale=$(head -c 1 "$device" | wc -c)
	engine_start
	[ "$(cat "$work/said")" = ETIMEDOUT ] ||
		fail "The engine was dead, and write() returned $(cat "$work/said"), not ETIMEDOUT." || return
	[ ! -d "$instance" ] || [ "$(called '^terminate')" -ge 1 ] ||
		fail "The engine may still write later: see dmaengine_terminate_sync()." || return
	[ ! -d "$instance" ] || [ "$(called '^map ')" -eq "$(called '^unmap ')" ] ||
		fail "$(called '^map ') buffers were mapped, $(called '^unmap ') unmapped." || return
	[ "$stale" -eq 0 ] || fail "The write failed, and read() still gives the bytes of another." || return
	works_again
}

waits_for_a_late_engine() {
	engine_find "$channel" && waits_at_most 60000 || return
	engine_stop
	write_in_background || return
	engine_wake
	soon job_ended || fail "The engine is done, and write() still waits." || return
	[ "$(cat "$work/said")" = 4096 ] ||
		fail "The engine answered late, but in time, and write() returned $(cat "$work/said")." || return
	reads_back 4096
}

lets_a_killed_writer_go() {
	engine_find "$channel" && waits_at_most 60000 || return
	engine_stop
	write_in_background || return
	kill -KILL "$job"
	soon job_ended || {
		engine_wake
		fail "A killed process stays in write(): see wait_for_completion_killable_timeout()."
	} || return
	engine_start
	works_again
}

driver_begin
plan 12
step "the module loads and makes $device" loads
needs 1 step "write() takes what fits, and refuses what it must" takes_data
needs 1 step "the driver holds a DMA channel" holds_channel
needs 3 step "each buffer is mapped for the channel's device, in its own direction" maps_both_buffers
needs 3 step "one descriptor for these buffers is prepared and submitted" submits_one_descriptor
needs 3 step "the engine runs each transfer, and says so by one interrupt" runs_on_the_engine
needs 6 step "read() gives back every byte that was written, at any length" gives_back_every_byte
needs 6 step "each buffer is unmapped as it was mapped" unmaps_both_buffers
needs 7 step "a dead engine is given up, and the next transfer works" gives_up_a_dead_engine
needs 9 step "an engine that answers late is waited for" waits_for_a_late_engine
needs 9 step "a killed writer lets go at once, and the next transfer works" lets_a_killed_writer_go
needs 1 step "the module unloads and gives its device and channel back" gives_everything_back
finish

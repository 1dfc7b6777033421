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

module=dma_m2m
device=/dev/dma_m2m_misc_dev
buffer=65536

clean_up() {
	witness_stop
	! loaded || rmmod "$module"
	rm -rf "$work"
}

loaded() {
	grep -q "^$module " /proc/modules
}

# random LENGTH: that many fresh random bytes, in $work/data.
random() {
	head -c "$1" /dev/urandom >"$work/data"
}

# transfer LENGTH: writes fresh random bytes to the device in one write(2).
transfer() {
	random "$1"
	written=$(./one_write "$device" "$1" <"$work/data")
	[ "$written" = "$1" ] || fail "A write() of $1 bytes returned $written."
}

# The channels in use, one name a line.
channels_in_use() {
	for channel in /sys/class/dma/dma*chan*; do
		read -r clients <"$channel/in_use"
		[ "$clients" -eq 0 ] || echo "${channel##*/}"
	done
}

# "IRQ COUNT" of each line of the DMA controller, all processors added up.
dma_interrupts() {
	awk '/DMA IRQ/ { n = 0; for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i; print $1, n }' \
		/proc/interrupts
}

# The interrupts of the line that appeared when the driver took its channel.
our_interrupts() {
	dma_interrupts | awk -v irq="$irq" '$1 == irq { print $2 }'
}

# new_in LIST: the lines on standard input that are not in $work/LIST.
new_in() {
	sort - "$work/$1" "$work/$1" | uniq -u
}

loads() {
	dma_interrupts | cut -d ' ' -f 1 >"$work/irqs"
	channels_in_use >"$work/channels"
	insmod "./$module.ko" 2>"$work/insmod" ||
		fail "insmod: $(cat "$work/insmod"). Does probe() return an error? dmesg tells." || return
	[ -c "$device" ] ||
		fail "The module is loaded, but there is no $device. Does probe() reach misc_register()?
Is the node of lab 1 in the device tree? ls /proc/device-tree/soc/dma-m2m"
}

takes_data() {
	random 16
	for length in 16 0; do
		written=$(./one_write "$device" "$length" <"$work/data")
		[ "$written" = "$length" ] ||
			fail "A write() of $length bytes returned $written." || return
	done
	written=$(./one_write "$device" 16 bad)
	[ "$written" = EFAULT ] ||
		fail "A write() from a bad address returned $written: what did copy_from_user() return?" || return
	random $((buffer + 4096))
	written=$(./one_write "$device" $((buffer + 4096)) <"$work/data")
	[ "$written" = "$buffer" ] ||
		fail "A write() of $((buffer + 4096)) bytes returned $written, not the $buffer that fit the buffer."
}

holds_channel() {
	channel=$(channels_in_use | new_in channels)
	[ -n "$channel" ] ||
		fail "No DMA channel is in use that was free before: see dma_request_chan_by_mask()." || return
	controller=$(basename "$(readlink -f "/sys/class/dma/$channel/device")")
	irq=$(dma_interrupts | cut -d ' ' -f 1 | new_in irqs)
	[ -n "$irq" ] || fail "Channel $channel is in use, but has no interrupt in /proc/interrupts."
}

# One write(2) of a page, with the kernel's calls recorded: once is enough.
watch_a_write() {
	[ ! -e "$calls" ] || return 0
	random 4096
	witness ./one_write "$device" 4096 <"$work/data" >/dev/null
}

maps_both_buffers() {
	watch_a_write || return
	[ "$(called '^map ')" -eq 2 ] ||
		fail "dma_map_single() was called $(called '^map ') times in one write(), not once a buffer." || return
	[ "$(called "^map device=\"$controller\"")" -eq 2 ] ||
		fail "A buffer was not mapped for $controller, the device that moves the data:
see dmaengine_get_dma_device()." || return
	[ "$(called '^map .* direction=1$')" -eq 1 ] && [ "$(called '^map .* direction=2$')" -eq 1 ] ||
		fail "The source goes DMA_TO_DEVICE, the destination comes DMA_FROM_DEVICE." || return
	[ "$(called '^map .* length=4096 ')" -eq 2 ] ||
		fail "4096 bytes were written, but not 4096 mapped at each end."
}

submits_one_descriptor() {
	watch_a_write || return
	[ "$(called '^prepare ')" -eq 1 ] ||
		fail "$(called '^prepare ') descriptors were prepared for one write(): see dmaengine_prep_dma_memcpy()." || return
	[ "$(called '^prepare length=4096$')" -eq 1 ] ||
		fail "4096 bytes were written, but the descriptor says: $(grep '^prepare' "$calls")." || return
	[ "$(called '^submit')" -eq 1 ] ||
		fail "The descriptor was prepared and not submitted: see dmaengine_submit()."
}

runs_on_the_engine() {
	before=$(our_interrupts)
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		transfer 4096 || return
	done
	raised=$(($(our_interrupts) - before))
	[ "$raised" -eq 10 ] ||
		fail "10 writes raised $raised interrupts of the DMA controller, not one each:
without dma_async_issue_pending() nothing moves, and a copy by the CPU raises none."
}

gives_back_every_byte() {
	for length in 1 3 4 5 63 64 65 4095 4097 65535 65536; do
		transfer "$length" || return
		cat "$device" >"$work/back"
		cmp "$work/data" "$work/back" >"$work/cmp" 2>&1 ||
			fail "$length bytes came back changed: $(cat "$work/cmp").
Is read_buf read only after dma_unmap_single(), and whole?" || return
	done
}

unmaps_both_buffers() {
	watch_a_write || return
	sed -n 's/^map //p' "$calls" | sort >"$work/mapped"
	sed -n 's/^unmap //p' "$calls" | sort >"$work/unmapped"
	cmp -s "$work/mapped" "$work/unmapped" ||
		fail "What was mapped and what was unmapped differ in device, length or direction."
}

# soon COMMAND...: true within 20 s, where milliseconds are expected.
soon() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt 200 ] || return
		sleep 0.1
	done
}

waits_at_most() {
	echo "$1" >"/sys/module/$module/parameters/timeout_ms"
}

# write_in_background: fresh random bytes; what came of it is in $work/written.
write_in_background() {
	random 4096
	./one_write "$device" 4096 <"$work/data" >"$work/written" &
	writer=$!
	soon engine_has_work || fail 'The transfer did not come to the engine.'
}

# A process that has ended is a zombie until its parent asks for it.
writer_ended() {
	! grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/$writer/status" 2>/dev/null
}

works_again() {
	transfer 4096 || return
	cmp -s "$work/data" "$device" || fail 'The transfer after that came back changed.'
}

gives_up_a_dead_engine() {
	engine_find "$channel" || return
	waits_at_most 100
	random 4096
	engine_stop
	witness ./one_write "$device" 4096 <"$work/data" >"$work/written" &
	writer=$!
	soon writer_ended || {
		engine_wake
		fail "A write() to a dead engine waits without a bound, not timeout_ms."
	} || return
	stale=$(wc -c <"$device")
	engine_start
	[ "$(cat "$work/written")" = ETIMEDOUT ] ||
		fail "The engine was dead, and write() returned $(cat "$work/written"), not ETIMEDOUT." || return
	[ "$(called '^terminate')" -ge 1 ] ||
		fail "The engine may still write later: see dmaengine_terminate_sync()." || return
	[ "$(called '^map')" -eq "$(called '^unmap')" ] ||
		fail "$(called '^map') buffers were mapped, $(called '^unmap') unmapped." || return
	[ "$stale" -eq 0 ] || fail "The write failed, and read() still gives $stale bytes." || return
	works_again
}

waits_for_a_late_engine() {
	engine_find "$channel" || return
	waits_at_most 60000
	engine_stop
	write_in_background || return
	engine_wake
	soon writer_ended || fail "The engine is done, and write() still waits." || return
	[ "$(cat "$work/written")" = 4096 ] ||
		fail "The engine answered late, but in time, and write() returned $(cat "$work/written")." || return
	cmp -s "$work/data" "$device" || fail "What the late engine brought is not what was written."
}

lets_a_killed_writer_go() {
	engine_find "$channel" || return
	waits_at_most 60000
	engine_stop
	write_in_background || return
	kill -KILL "$writer"
	soon writer_ended || {
		engine_wake
		fail "A killed process stays in write(): see wait_for_completion_killable_timeout()."
	} || return
	engine_start
	works_again
}

gives_everything_back() {
	rmmod "$module" 2>"$work/rmmod" || fail "rmmod: $(cat "$work/rmmod")" || return
	[ ! -e "$device" ] || fail "The module is gone, $device is not: see misc_deregister()." || return
	left=$(channels_in_use | new_in channels)
	[ -z "$left" ] || fail "The module is gone, but $left is still in use: see dma_release_channel()."
}

if loaded; then
	echo "Bail out! $module is loaded already: sudo rmmod $module"
	exit 1
fi
trap clean_up EXIT
witness_start || true

plan 12
step "the module loads and makes $device" loads
needs 1 step "write() takes what fits, and refuses what it must" takes_data
needs 1 step "the driver holds a DMA channel" holds_channel
needs 3 step "each buffer is mapped for the channel's device, in its own direction" maps_both_buffers
needs 3 step "one descriptor of the right length is prepared and submitted" submits_one_descriptor
needs 3 step "the engine runs each transfer, and says so by one interrupt" runs_on_the_engine
needs 6 step "read() gives back every byte that was written, at any length" gives_back_every_byte
needs 6 step "each buffer is unmapped as it was mapped" unmaps_both_buffers
needs 7 step "a dead engine is given up, and the next transfer works" gives_up_a_dead_engine
needs 9 step "an engine that answers late is waited for" waits_for_a_late_engine
needs 9 step "a killed writer lets go at once, and the next transfer works" lets_a_killed_writer_go
needs 1 step "the module unloads and gives its device and channel back" gives_everything_back
finish

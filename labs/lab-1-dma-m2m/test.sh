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

loads() {
	dma_interrupts | cut -d ' ' -f 1 >"$work/irqs"
	channels_in_use >"$work/channels"
	insmod "./$module.ko" 2>"$work/insmod" ||
		fail "insmod: $(cat "$work/insmod"). Does probe() return an error? dmesg tells." || return
	channels_in_use | new_in channels >"$work/ours"
	[ -c "$device" ] || fail \
		"The module is loaded, but there is no $device.
Does probe() run: is the compatible string that of /proc/device-tree/soc/dma-m2m?
Does it reach misc_register()? Is the name right? There is: $(echo /dev/dma*)"
}

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

holds_channel() {
	channel=$(cat "$work/ours")
	[ "$(wc -w <"$work/ours")" -eq 1 ] ||
		fail "insmod took these channels, not one: \"$channel\". See dma_request_chan_by_mask()." || return
	controller=$(basename "$(readlink -f "/sys/class/dma/$channel/device")")
	irq=$(dma_interrupts | cut -d ' ' -f 1 | new_in irqs)
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
	echo "$1" >"/sys/module/$module/parameters/timeout_ms" 2>/dev/null ||
		fail "The module has no parameter timeout_ms that root may change: see module_param()."
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
	transfer 4096 && reads_back 4096 && return
	fail 'That was the transfer after the one that went wrong.'
}

gives_up_a_dead_engine() {
	engine_find "$channel" && waits_at_most 100 || return
	random 4096
	engine_stop
	{ witness ./one_write "$device" 4096 || no_answer $?; } <"$work/data" >"$work/written" 2>/dev/null &
	writer=$!
	soon writer_ended || {
		engine_wake
		fail "A write() to a dead engine waits without a bound, not timeout_ms."
	} || return
	stale=$(head -c 1 "$device" | wc -c)
	engine_start
	[ "$(cat "$work/written")" = ETIMEDOUT ] ||
		fail "The engine was dead, and write() returned $(cat "$work/written"), not ETIMEDOUT." || return
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
	soon writer_ended || fail "The engine is done, and write() still waits." || return
	[ "$(cat "$work/written")" = 4096 ] ||
		fail "The engine answered late, but in time, and write() returned $(cat "$work/written")." || return
	reads_back 4096
}

lets_a_killed_writer_go() {
	engine_find "$channel" && waits_at_most 60000 || return
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
	left=$(channels_in_use | new_in channels | grep -xF -f "$work/ours" || true)
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
needs 3 step "one descriptor for these buffers is prepared and submitted" submits_one_descriptor
needs 3 step "the engine runs each transfer, and says so by one interrupt" runs_on_the_engine
needs 6 step "read() gives back every byte that was written, at any length" gives_back_every_byte
needs 6 step "each buffer is unmapped as it was mapped" unmaps_both_buffers
needs 7 step "a dead engine is given up, and the next transfer works" gives_up_a_dead_engine
needs 9 step "an engine that answers late is waited for" waits_for_a_late_engine
needs 9 step "a killed writer lets go at once, and the next transfer works" lets_a_killed_writer_go
needs 1 step "the module unloads and gives its device and channel back" gives_everything_back
finish

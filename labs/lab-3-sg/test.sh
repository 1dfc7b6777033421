#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Tests lab 3, one line a step: sudo ./test.sh, here or on a real Pi.
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

module=dma_sg_driver
ko=driver/dma_sg_driver.ko
device=/dev/dma_sg
node=dma-sg

# tests NAME...: the test program's tests of these names; what they say is the hint.
tests() {
	for name in "$@"; do
		# shellcheck disable=SC2086 # a name, and its arguments
		{ ./app/dma_sg_test $name >"$work/said"; } 2>/dev/null && ended=0 || ended=$?
		verdict "$ended" || return
	done
}

# verdict STATUS: of the test program, which has said why. See the signals of kill -l.
verdict() {
	case $1 in
	0) ;;
	4) skip "$(cat "$work/said")" ;;
	142) fail "DMA_SG_COPY did not come back. Are the descriptors started, by
dma_async_issue_pending()? Is the callback set, and does it call complete()?" ;;
	1 | 3) fail "$(grep -vx -e 'at the gate' -e written "$work/said")" ;;
	*) fail "The test program ended with status $1: the driver crashed. $(cat "$work/said")" ;;
	esac
}

# copy LENGTH [FROM [TO]]: one copy, its report in $result, $copied and so on.
copy() {
	{ ./app/dma_sg_test copy "$@" >"$work/said"; } 2>/dev/null && ended=0 || ended=$?
	report "$ended"
}

# report STATUS: reads what `dma_sg_test copy` said.
report() {
	verdict "$1" || return
	read -r result copied _ _ descriptors cpu_bytes <"$work/said"
}

# succeeds LENGTH [FROM [TO]]: a copy that has to.
succeeds() {
	copy "$@" || return
	[ "$result" = success ] || fail "A copy of $1 bytes failed with $result."
}

works_again() {
	waits_at_most 60000 && succeeds 65536 && return
	fail 'That was the copy after the one that went wrong.'
}

# ---- what the witness saw ---------------------------------------------------

# One copy of 16 pages that lie apart, with the kernel's calls recorded; and one of
# 3000 bytes in the middle of a page. What the driver maps of the destination is in
# the first entry of its table: page_link, offset, length of struct scatterlist.
watch_two_copies() {
	can_witness || return
	[ ! -e "$work/apart" ] || return 0
	# shellcheck disable=SC2016 # the kernel's own $
	echo 'p:dma_labs/entry dma_map_sgtable direction=$arg3:u32 offset=+8(+0($arg2)):u32 length=+12(+0($arg2)):u32' \
		>>"$tracing/kprobe_events"
	echo 1 >"$instance/events/dma_labs/enable"
	witness ./app/dma_sg_test copy 3000 20 100 >"$work/said" 2>&1 || true
	mv "$calls" "$work/inside"
	before=$(our_interrupts)
	witness ./app/dma_sg_test copy 65536 >"$work/said" 2>&1 && ended=0 || ended=$?
	raised=$(($(our_interrupts) - before))
	cp "$work/said" "$work/apart"
}

mapped_for_the_channel() {
	watch_two_copies || return
	[ "$(called '^map_table ')" -eq 2 ] || fail \
		"dma_map_sgtable() was called $(called '^map_table ') times in one copy, not once an end." || return
	[ "$(called "^map_table device=\"$controller\"")" -eq 2 ] || fail \
		"An end was not mapped for $controller, the device that moves the data:
see dmaengine_get_dma_device()." || return
	[ "$(called '^map_table .* direction=1$')" -eq 1 ] && [ "$(called '^map_table .* direction=2$')" -eq 1 ] ||
		fail "The source goes DMA_TO_DEVICE (1), the destination comes DMA_FROM_DEVICE (2); seen:
$(grep '^map_table ' "$calls")" || return
	for direction in 1 2; do
		[ "$(called "^unmap_table device=\"$controller\" .* direction=$direction\$")" -eq 1 ] ||
			fail "dma_unmap_sgtable() has to undo each dma_map_sgtable(): same device, same direction. Seen:
$(grep '_table ' "$calls")" || return
	done
	[ "$(sed -n '/^issue/,$p' "$calls" | grep -c '^unmap_table ')" -eq 2 ] ||
		fail "An end was unmapped before the engine had it: see dma_async_issue_pending()."
}

# bytes_prepared FILE: of all descriptors in FILE.
bytes_prepared() {
	awk '/^prepare / { sub(".*length=", ""); n += $0 } END { print n + 0 }' "$1"
}

a_descriptor_a_piece() {
	watch_two_copies || return
	report "$ended" <"$work/apart" || return
	[ "$(called '^prepare ')" -eq "$descriptors" ] || fail \
		"$(called '^prepare ') descriptors were prepared, and @descriptors says $descriptors." || return
	[ "$(called '^submit')" -eq "$descriptors" ] ||
		fail "Of $descriptors descriptors $(called '^submit') were submitted: see dmaengine_submit()." || return
	[ "$(called '^issue')" -eq 1 ] ||
		fail "All descriptors are queued, then started once; dma_async_issue_pending() was called $(called '^issue') times." || return
	[ "$(bytes_prepared "$calls")" -eq 65536 ] && [ "$cpu_bytes" -eq 0 ] || fail \
		"Of 65536 bytes in whole pages the engine got $(bytes_prepared "$calls"), the CPU copied $cpu_bytes." || return
	[ -z "$irq" ] || [ "$raised" -eq "$descriptors" ] || fail \
		"$descriptors descriptors raised $raised interrupts of the DMA controller, not one each:
a copy by the CPU raises none."
}

# The copy of 3000 bytes began at offset 100 in a page: whole lines are 128 to 3072.
only_whole_lines() {
	watch_two_copies || return
	entry=$(sed -n 's/^entry direction=2 //p' "$work/inside")
	offset=${entry#offset=}
	offset=${offset%% *}
	length=${entry#*length=}
	[ -n "$entry" ] || fail "3000 bytes have whole cache lines, and no destination was mapped for them." || return
	[ $((offset % 64)) -eq 0 ] && [ $((length % 64)) -eq 0 ] &&
		[ "$offset" -ge 128 ] && [ $((offset + length)) -le 3072 ] || fail \
		"Of a destination at 100 to 3100 in its page, $offset to $((offset + length)) was mapped. Whole cache
lines are 128 to 3072: one that is only in part the destination's is taken from who writes beside it.
See dma_get_cache_alignment()." || return
	[ "$(bytes_prepared "$work/inside")" -le 2944 ] || fail \
		"Of a destination at 100 to 3100 in its page, $(bytes_prepared "$work/inside") bytes went by DMA;
its whole cache lines are 2944."
}

# A copy of 2 MiB may take its time on an emulated Pi: only where it matters is the
# bound a short one.
loads_and_is_patient() {
	loads || return
	bound=/sys/module/$module/parameters/timeout_ms
	patience=$(cat "$bound" 2>/dev/null) || patience=''
	echo 10000 2>/dev/null >"$bound" || true
}

# ---- the steps that the test program does -----------------------------------

refuses_what_it_must() { tests arguments; }
# Read-only memory first: a driver that writes where it may not is harmless there.
pins_and_unpins() { tests pins read_only copy_on_write marks_dirty; }
copies_whole_pages() { tests whole_pages; }
merges_neighbours() { tests few_segments huge_pages; }
copies_at_any_alignment() {
	echo '<6>dma-labs: lengths that are no multiple of 4 come now' >/dev/kmsg
	tests any_alignment
}
leaves_the_rest_alone() { tests beside; }
refuses_overlaps() { tests overlaps addresses; }
refuses_holes() { tests holes; }
# Without lab 2's module the I2S controller's registers have to do: they are not
# memory either, and if a driver should write there nothing happens.
refuses_page_frames() {
	engine_find "$channel" && registers=$((engine + 0x1fc000)) || registers=0
	skipped=''
	tests "page_frames $registers"
}
copies_from_file_to_file() { tests files; }
serves_many() { tests many_at_once; }
copies_256_mib() { tests big; }

# ---- an engine that misbehaves ----------------------------------------------

# in_background TEST...: until the engine, which is stopped, has work.
in_background() {
	background ./app/dma_sg_test "$@"
	soon engine_has_work || fail "The copy did not come to the engine: $(cat "$work/said")"
}

at_the_gate_or_ended() {
	grep -q 'at the gate' "$work/said" || job_ended
}

# stops_at_the_gate TEST MS: it has four windows copied, and stands before the fifth;
# it goes on with the engine stopped, and waits for it no longer than MS.
stops_at_the_gate() {
	waits_at_most 60000 || return
	background ./app/dma_sg_test "$1"
	soon at_the_gate_or_ended || fail 'The copy does not come to its fifth window.' || return
	if job_ended; then
		wait "$job" && ended=0 || ended=$?
		verdict "$ended" || return
	fi
	engine_stop
	waits_at_most "$2"
	kill -USR1 "$job"
}

gives_up_a_dead_engine() {
	[ "$patience" = 1000 ] || fail "The parameter timeout_ms is \"$patience\" at first, not 1000." || return
	engine_find "$channel" && waits_at_most 100 || return
	engine_stop
	background witness ./app/dma_sg_test copy 65536
	soon job_ended || {
		engine_wake
		fail 'DMA_SG_COPY waits for a dead engine without a bound, not timeout_ms.'
	} || return
	wait "$job" && ended=0 || ended=$?
	engine_start
	report "$ended" || return
	[ "$result $copied" = 'ETIMEDOUT 0' ] || fail \
		"The engine was dead, and DMA_SG_COPY gave $result with $copied bytes copied, not ETIMEDOUT with 0." || return
	[ ! -d "$instance" ] || [ "$(called '^terminate')" -ge 1 ] ||
		fail "The engine may still write later: see dmaengine_terminate_sync()." || return
	[ ! -d "$instance" ] || [ "$(called '^map_table ')" -eq "$(called '^unmap_table ')" ] ||
		fail "$(called '^map_table ') tables were mapped, $(called '^unmap_table ') unmapped." || return
	works_again || return
	stops_at_the_gate timed_out_late 100 || return
	wait "$job" && ended=0 || ended=$?
	engine_start
	verdict "$ended" && works_again
}

# The engine, which stands, does the first descriptor that waits and no other: as
# long as its interrupt is held back, the kernel does not start the next. The
# interrupt controller of Pi 2 and 3 is beside the DMA controller; false elsewhere.
engine_does_one() {
	line=$(sed -n "s/^ *$irq .*ARMCTRL-level *\([0-9]*\) .*/\1/p" /proc/interrupts)
	[ -n "$line" ] || return
	enable=$((engine + 0x420c + 4 * (line >> 5)))
	disable=$((enable + 0xc))
	register "$disable" 32 $((1 << (line & 31)))
	engine_wake
	soon engine_is_idle
	engine_stop
	register "$enable" 32 $((1 << (line & 31)))
	soon engine_has_work
}

engine_is_idle() {
	! engine_has_work
}

# job_succeeds: the one in the background, with the engine running again.
job_succeeds() {
	engine_wake
	soon job_ended || fail 'The engine is done, and DMA_SG_COPY still waits.' || return
	wait "$job" && ended=0 || ended=$?
	verdict "$ended"
}

waits_for_the_last_piece() {
	engine_find "$channel" && waits_at_most 60000 || return
	engine_stop
	in_background copy 65536 || return
	if engine_does_one && engine_does_one && engine_does_one && job_ended; then
		fail 'Three descriptors are done, the others are not, and DMA_SG_COPY has returned: which
one has the callback? Do all count?' || return
	fi
	job_succeeds && report 0 || return
	[ "$result $copied" = 'success 65536' ] || fail \
		"The engine answered late, but in time, and DMA_SG_COPY gave $result with $copied bytes copied." || return
	engine_stop
	in_background beside_late || return
	kill -USR1 "$job"
	soon grep -q written "$work/said" || fail 'The thread that writes beside the destination did not.' || return
	job_succeeds
}

lets_a_killed_program_go() {
	tests killed_pinning && works_again || return
	engine_find "$channel" && stops_at_the_gate killed_copying 60000 || return
	soon engine_has_work ||
		fail "The fifth window did not come to the engine: $(cat "$work/said")" || return
	kill -USR2 "$job"
	wait "$job" && ended=0 || ended=$?
	verdict "$ended" || {
		engine_wake
		return 1
	}
	engine_start
	works_again || return
	lets_one_in_the_queue_go
}

waits_in_kernel() {
	grep -q '^State:[[:space:]]*D' "/proc/$1/status" 2>/dev/null
}

# One is killed that waits for another's copy to end: that one goes on.
lets_one_in_the_queue_go() {
	engine_stop
	in_background copy 65536 || return
	first=$job
	mv "$work/said" "$work/first"
	background ./app/dma_sg_test copy 65536
	soon waits_in_kernel "$job" || fail 'Of two copies the second does not wait for the first.' || return
	kill -KILL "$job"
	soon job_ended || {
		engine_wake
		fail 'A killed program stays in DMA_SG_COPY while it waits for its turn: see mutex_lock_killable().'
	} || return
	job=$first
	mv "$work/first" "$work/said"
	job_succeeds && report 0 || return
	[ "$result $copied" = 'success 65536' ] ||
		fail "While one copied, another, which waited, was killed; the first got $result."
}

# ---- the kernel log ---------------------------------------------------------

dynamic_debug() {
	echo "module $module $1" 2>/dev/null >/sys/kernel/debug/dynamic_debug/control
}

# Silent when all is well, one line for a time-out, every stage when asked for.
tells_what_it_is_asked() {
	succeeds 65536 300 5 || return
	[ -z "$(driver_said)" ] || fail "A copy that succeeds says: $(driver_said | head -n 1). See dev_dbg()." || return
	if dynamic_debug +p; then
		succeeds 8192 && driver_said >"$work/told"
		dynamic_debug -p
		for word in "$channel" cookie physical virtual bus bytes; do
			grep -q "$word" "$work/told" || fail "With dynamic debug on, nothing is told of: $word. See dev_dbg()." || return
		done
	fi
	engine_find "$channel" && waits_at_most 100 || return
	driver_said >"$work/told"
	engine_stop
	copy 65536 || true
	engine_start
	driver_said | tail -n "+$(($(wc -l <"$work/told") + 1))" >"$work/new"
	[ "$(wc -l <"$work/new")" -eq 1 ] || fail \
		"A time-out is worth one line, by dev_err_ratelimited(); there are $(wc -l <"$work/new").
$(cat "$work/new")"
}

# ---- an open file -----------------------------------------------------------

# Whoever takes the device from its driver through sysfs, while a file is open: the
# file's next copy works, or fails, and nothing worse.
survives_unbinding() {
	sysfs=/sys/bus/platform/devices/soc:$node/driver
	background ./app/dma_sg_test copy_when_told 65536
	soon grep -q open "$work/said" || fail "$device cannot be opened." || return
	[ "$(cat "/sys/module/$module/refcnt")" -gt 0 ] || {
		kill -KILL "$job"
		soon job_ended
		fail 'An open file does not hold the module: see .owner in struct file_operations.'
	} || return
	sysfs=$(readlink -f "$sysfs")
	[ ! -e "$sysfs/unbind" ] || echo "soc:$node" >"$sysfs/unbind"
	kill -USR1 "$job"
	wait "$job" && ended=0 || ended=$?
	[ ! -e "$sysfs/bind" ] || echo "soc:$node" >"$sysfs/bind" || true
	grep -qE '^(success|ENODEV) ' "$work/said" || fail \
		"The device was taken from its driver through sysfs while a file was open, and then a copy gave:
$(grep -vx open "$work/said")
See suppress_bind_attrs."
}

is_held_by_an_open_file() {
	survives_unbinding && stays_while_open
}

driver_begin
plan 23
step "the module loads and makes $device" loads_and_is_patient
needs 1 step "the driver holds a DMA channel" holds_channel
needs 1 step "the ioctl refuses what it does not understand" refuses_what_it_must
needs 2 step "whole pages are copied, wherever they lie" copies_whole_pages
needs 4 step "pages are pinned, the destination's to be written, and unpinned" pins_and_unpins
needs 4 step "each end is mapped for the channel's device, in its own direction, and unmapped" mapped_for_the_channel
needs 4 step "a piece is a descriptor, and the engine runs each" a_descriptor_a_piece
needs 4 step "pages side by side are one segment, huge pages one piece" merges_neighbours
needs 4 step "no cache line goes by DMA that is only in part the destination's" only_whole_lines
needs 4 step "every byte is copied, at any address, alignment and length" copies_at_any_alignment
needs 10 step "bytes beside the destination stay, while others write there" leaves_the_rest_alone
needs 4 step "ranges that overlap or run over the end are refused" refuses_overlaps
needs 4 step "memory that is not there is refused, and the report is true" refuses_holes
needs 4 step "memory without pages to pin is refused" refuses_page_frames
needs 4 step "files that are mapped are copied" copies_from_file_to_file
needs 10 step "several threads and processes each get their own" serves_many
needs 4 step "256 MiB are copied, a window pinned at a time" copies_256_mib
needs 4 step "a dead engine is given up, and the next copy works" gives_up_a_dead_engine
needs 18 step "an engine that answers late is waited for, to the last piece" waits_for_the_last_piece
needs 18 step "a killed program lets go at once, and the next copy works" lets_a_killed_program_go
needs 4 step "the kernel log is silent, unless something fails or is asked for" tells_what_it_is_asked
needs 4 step "an open file holds the module and the device" is_held_by_an_open_file
needs 1 step "the module unloads and gives its device and channel back" gives_everything_back
finish

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Tests lab 3, one line a step: sudo ./test.sh, here or on a real Pi.
set -eu
cd "$(dirname "$0")"

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

# report STATUS [FILE]: reads what `dma_sg_test copy` said, and how the pages lie.
report() {
	verdict "$1" || return
	read -r result copied _ _ descriptors cpu_bytes sources destinations pieces <"${2-$work/said}"
}

# succeeds LENGTH [FROM [TO]]: a copy that has to.
succeeds() {
	copy "$@" || return
	[ "$result" = success ] || fail "A copy of $1 bytes failed with $result."
}

works_again() {
	waits_at_most 60000 && succeeds 65536 && return
	lead 'This was the copy after one that went wrong: was the channel stopped then, by dma_sg_give_up()?'
}

# ---- what the witness saw ---------------------------------------------------

# What dma_map_sgtable() is given: the entries of a table, offset and length of the
# first; and the first one's bus address, as dma_unmap_sgtable() finds it. See struct
# sg_table, and struct scatterlist: page_link, offset, length, dma_address.
# shellcheck disable=SC2016 # for the kernel to expand
table_probes() {
	long=8 bus='+16($arg2):x64'
	! is_32_bit || long=4
	! is_32_bit || bus_is_64_bit || bus='+12($arg2):x32'
	cat <<-EOF
		p:dma_labs/table dma_map_sgtable direction=\$arg3:u32 entries=+$((long + 4))(\$arg2):u32 offset=+$long(+0(\$arg2)):u32 length=+$((long + 4))(+0(\$arg2)):u32
		p:dma_labs/bus dma_unmap_sg_attrs direction=\$arg4:u32 bus=$bus
	EOF
}

# watch NAME TEST...: a copy of the test program's, with the kernel's calls recorded;
# once is enough. What it said is in NAME.said. What became of it is for later steps.
watch() {
	can_witness || return
	if ! grep -q dma_labs/table "$tracing/kprobe_events"; then
		table_probes | for_this_kernel >>"$tracing/kprobe_events" && echo 1 >"$instance/events/dma_labs/enable"
	fi
	calls=$work/$1.calls
	said=$work/$1.said
	shift
	[ -e "$calls" ] || {
		before=$(our_interrupts)
		witness ./app/dma_sg_test "$@" >"$said" 2>&1 || true
		echo $(($(our_interrupts) - before)) >"$calls.raised"
	}
	[ "$(wc -w <"$said")" -ge 9 ] || fail "The copy did not come to its end: $(cat "$said")" || return
	read -r result _ _ _ descriptors cpu_bytes sources destinations pieces <"$said"
}

# Of 16 pages that lie apart; of whole words and lines in the middle of pages; of huge
# ones; of 3000 bytes that begin and end within a cache line.
watch_pages() {
	watch pages copy 65536
}

watch_middle() {
	watch middle copy 49152 512 1024
}

watch_huge() {
	watch huge copy_huge 524288
}

watch_lines() {
	watch lines copy 3000 20 100
}

mapped_for_the_channel() {
	watch_pages || return
	[ "$(called '^map_table ')" -eq 2 ] || fail \
		"dma_map_sgtable() was called $(called '^map_table ') times in one copy, not once an end." || return
	[ "$(called "^map_table device=\"$controller\"")" -eq 2 ] || fail \
		"An end was not mapped for $controller, the device that moves the data:
see dmaengine_get_dma_device()." || return
	for direction in DMA_TO_DEVICE DMA_FROM_DEVICE; do
		[ "$(called "^map_table .* direction=$direction\$")" -eq 1 ] ||
			fail "The source goes DMA_TO_DEVICE, the destination comes DMA_FROM_DEVICE; seen:
$(grep '^map_table ' "$calls")" || return
	done
}

unmapped_as_mapped() {
	watch_pages || return
	for direction in DMA_TO_DEVICE DMA_FROM_DEVICE; do
		[ "$(called "^unmap_table device=\"$controller\" .* direction=$direction\$")" -eq 1 ] ||
			fail "dma_unmap_sgtable() has to undo each dma_map_sgtable(): same device, same direction. Seen:
$(grep '_table ' "$calls")" || return
	done
}

# in_table DIRECTION WORD: what the first table for that direction has. There are more
# when there was too little room to bounce.
in_table() {
	sed -n "s/^table direction=DMA_$1 .*$2=\([0-9]*\).*/\1/p" "$calls" | head -n 1
}

begins_in_the_middle() {
	watch_middle || return
	[ "$(in_table TO_DEVICE offset) $(in_table FROM_DEVICE offset)" = '512 1024' ] || fail \
		"From 512 bytes behind a page's beginning to 1024 behind another's: the tables begin
at $(in_table TO_DEVICE offset) and $(in_table FROM_DEVICE offset). See offset_in_page()."
}

has_segments() {
	[ "$(in_table TO_DEVICE entries) $(in_table FROM_DEVICE entries)" = "$sources $destinations" ] || fail \
		"By /proc/self/pagemap the source is $sources segments and the destination $destinations; the tables have
$(in_table TO_DEVICE entries) and $(in_table FROM_DEVICE entries). Pages side by side are one, no longer than the device and
its bounce buffers take: see sg_alloc_table_from_pages_segment(), dma_max_mapping_size()."
}

merges_neighbours() {
	watch_pages && has_segments && watch_middle && has_segments && watch_huge && has_segments
}

# bytes_prepared FILE: of all descriptors in FILE.
bytes_prepared() {
	awk '/^prepare / { sub(".*length=", ""); n += $0 } END { print n + 0 }' "$1"
}

# bus DIRECTION: where the first segment of that end begins, for the engine.
bus() {
	sed -n "s/^bus direction=DMA_$1 bus=//p" "$calls"
}

# has_pieces LENGTH: of that many bytes.
has_pieces() {
	[ "$(called '^prepare ')" -eq "$pieces" ] || fail \
		"$sources segments at one end and $destinations at the other have $pieces pieces in common, and
$(called '^prepare ') descriptors were prepared: see dmaengine_prep_dma_memcpy()." || return
	grep -q "^prepare to=$(bus FROM_DEVICE) from=$(bus TO_DEVICE) " "$calls" || fail \
		"The first piece begins where both tables do: to=$(bus FROM_DEVICE) from=$(bus TO_DEVICE), the bus
addresses that dma_map_sgtable() gave. The first descriptor is:
$(grep -m 1 '^prepare ' "$calls")" || return
	[ "$(bytes_prepared "$calls")" -eq "$1" ] ||
		fail "The pieces of $1 bytes are $(bytes_prepared "$calls") bytes: each ends where a segment does, at either end." || return
	[ "$(called '^submit')" -eq "$pieces" ] ||
		fail "Of $pieces descriptors $(called '^submit') were submitted: see dmaengine_submit()." || return
	asks_for_interrupts
}

a_descriptor_a_piece() {
	watch_pages && has_pieces 65536 && watch_middle && has_pieces 49152
}

started_once() {
	watch_pages || return
	[ "$(called '^issue')" -eq 1 ] || fail \
		"All descriptors are queued, then started once; dma_async_issue_pending() was called $(called '^issue') times." || return
	[ "$(sed -n '/^issue/,$p' "$calls" | grep -c '^submit')" -eq 0 ] ||
		fail 'A descriptor was submitted after dma_async_issue_pending(): who starts it?' || return
	[ "$(sed -n '/^issue/,$p' "$calls" | grep -c '^unmap_table ')" -eq 2 ] ||
		fail "An end was unmapped before the engine had it: see dma_async_issue_pending()."
}

# By its report: what came to the destination is another check's. Who has no callback
# waits until the time is over, and may then find that all is well.
comes_to_its_end() {
	waits_at_most 60000 || return
	background ./app/dma_sg_test copy 65536
	soon job_ended || {
		kill -KILL "$job"
		fail "All is started, and after 20 s DMA_SG_COPY still waits. Is the callback set, and does the
last one call complete()?"
	} || return
	wait "$job" && ended=0 || ended=$?
	[ "$ended" -le 1 ] || verdict "$ended" || return
	grep -q '^success ' "$work/said" || fail "A copy of 65536 bytes gave $(head -n 1 "$work/said")."
}

runs_each() {
	watch run copy 65536 || return
	raised=$(cat "$calls.raised")
	[ -z "$irq" ] || [ "$raised" -eq "$(called '^prepare ')" ] || fail \
		"$(called '^prepare ') descriptors raised $raised interrupts of the DMA controller, not one each: a copy by
the CPU raises none." || return
	[ "$descriptors $cpu_bytes" = "$(called '^prepare ') 0" ] || fail \
		"The engine copied all by $(called '^prepare ') descriptors; @descriptors says $descriptors, @cpu_bytes $cpu_bytes."
}

# The copy of 3000 bytes began at offset 100 in a page: whole lines are 128 to 3072.
only_whole_lines() {
	watch_lines || return
	offset=$(in_table FROM_DEVICE offset)
	length=$(in_table FROM_DEVICE length)
	[ -n "$offset" ] || fail "3000 bytes have whole cache lines, and no destination was mapped for them." || return
	[ $((offset % 64)) -eq 0 ] && [ $((length % 64)) -eq 0 ] &&
		[ "$offset" -ge 128 ] && [ $((offset + length)) -le 3072 ] || fail \
		"Of a destination at 100 to 3100 in its page, $offset to $((offset + length)) was mapped. Whole cache
lines are 128 to 3072: one that is only in part the destination's is taken from who writes beside it.
See dma_get_cache_alignment()." || return
	[ "$(bytes_prepared "$calls") $cpu_bytes" = '2944 56' ] || fail \
		"Of a destination at 100 to 3100 in its page, $(bytes_prepared "$calls") bytes went by DMA; its whole
cache lines are 2944. The CPU copies the 56 others; @cpu_bytes says $cpu_bytes."
}

# ---- what the test program tests --------------------------------------------

refuses_arguments() { tests arguments; }
refuses_overlaps() { tests overlaps; }
refuses_addresses() { tests addresses; }

pins_each_page() { tests pins; }
writes_where_it_may() { tests read_only; }
marks_dirty() { tests marks_dirty; }
refuses_holes() {
	tests holes && return
	[ "$ended" -le 4 ] || fail 'Is it a failure when less than all pages are pinned?'
	return 1
}
# Without lab 2's module the I2S controller's registers have to do: they are not
# memory either, and if a driver should write there nothing happens.
refuses_page_frames() {
	engine_find "$channel" && registers=$((engine + 0x1fc000)) || registers=0
	skipped=''
	tests "page_frames $registers"
}

copies_whole_pages() { tests whole_pages; }
copies_on_write() { tests copy_on_write; }
counts_what_it_did() { tests few_segments; }

copies_at_any_alignment() {
	echo '<6>dma-labs: lengths that are no multiple of 4 come now' >/dev/kmsg
	tests any_alignment || fail 'What the engine does not get is the CPU'"'"'s, after unmapping: the first bytes, the
last ones, and words that the end of a page cuts.'
}
copies_side_by_side() { tests side_by_side; }
leaves_the_rest_alone() { tests beside; }

copies_several_windows() { tests several_windows; }
keeps_huge_pages_whole() { tests huge_pages; }
copies_256_mib() { tests big; }
tells_how_far() { tests far_hole killed_pinning; }
needs_its_report() { tests no_report; }
copies_from_file_to_file() { tests files; }
serves_many() {
	tests many_at_once || fail 'What belongs to one copy may not be in the device.'
}

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
	./app/dma_sg_test copy 4096 >"$work/other" 2>&1 || fail \
		"While one copy waits for a page of its program's, another's did not come back: what can
take a while, like dma_sg_pin(), comes before mutex_lock_killable()." || {
		kill -KILL "$job"
		return 1
	}
	engine_stop
	waits_at_most "$2"
	kill -USR1 "$job"
}

gives_up_a_dead_engine() {
	[ "$bound" = 1000 ] || fail "When nobody sets it, timeout_ms is \"$bound\", not 1000." || return
	engine_find "$channel" && waits_at_most 100 || return
	engine_stop
	background witness ./app/dma_sg_test copy 65536
	soon job_ended || {
		engine_wake
		fail 'DMA_SG_COPY waits for a dead engine without a bound, not timeout_ms.'
	} || return
	wait "$job" && ended=0 || ended=$?
	engine_start
	[ "$ended" -le 1 ] || verdict "$ended" || return
	read -r result copied _ <"$work/said"
	[ "$result $copied" = 'ETIMEDOUT 0' ] || fail \
		"The engine was dead, and DMA_SG_COPY gave $result with $copied bytes copied, not ETIMEDOUT with 0." || return
	gave_up || return
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

# While the engine has the copy, nobody may take the memory away from it.
still_mapped() {
	[ ! -d "$instance" ] || ! grep -q ': unmap_table: ' "$instance/trace" ||
		fail 'The engine has not done all, and an end is unmapped: wait first, then dma_unmap_sgtable().'
}

# The engine does three descriptors, one at a time.
waits_for_the_last_piece() {
	engine_find "$channel" && waits_at_most 60000 || return
	engine_stop
	calls=$work/late.calls
	background witness ./app/dma_sg_test copy 65536
	soon engine_has_work || fail "The copy did not come to the engine: $(cat "$work/said")" || return
	if engine_does_one && engine_does_one && engine_does_one && job_ended; then
		engine_start
		fail 'Three descriptors are done, the others are not, and DMA_SG_COPY has returned: which
one has the callback? Do all count?'
		return
	fi
	still_mapped || {
		engine_wake
		return 1
	}
	job_succeeds && report 0 || return
	[ "$result $copied" = 'success 65536' ] || fail \
		"The engine answered late, but in time, and DMA_SG_COPY gave $result with $copied bytes copied."
}

# The same for who writes beside the destination, for sure while the engine copies.
leaves_the_rest_alone_late() {
	engine_find "$channel" && waits_at_most 60000 || return
	engine_stop
	in_background beside_late || return
	kill -USR1 "$job"
	soon grep -q written "$work/said" || fail 'The thread that writes beside the destination did not.' || return
	job_succeeds
}

lets_a_killed_program_go() {
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
	state_of "$1"
	[ "$state" = D ]
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

# Silent when all is well, one line for a time-out, every stage when asked for.
tells_what_it_is_asked() {
	succeeds 65536 300 5 || return
	[ -z "$(driver_said)" ] || fail "A copy that succeeds says: $(driver_said | head -n 1). See dev_dbg()." || return
	if dynamic_debug +; then
		succeeds 8192 && driver_said >"$work/told"
		dynamic_debug -
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

# ---- the steps, each needs the one before ------------------------------------

loads_and_goes() {
	check "the module loads and makes $device" loads && bound=$(default_timeout) &&
		check "it holds a channel" holds_channel &&
		check "it stays while a file is open" stays_while_open &&
		check "it unloads, gives the channel back, and loads again" gives_channel_back
}

refuses_what_it_must() {
	check "what it does not understand" refuses_arguments &&
		check "ranges that overlap" refuses_overlaps &&
		check "ranges that run over the end of the program's addresses" refuses_addresses
}

pins_and_unpins() {
	check "each page is pinned, and unpinned" pins_each_page &&
		check "memory that is not there is refused" refuses_holes &&
		check "memory without pages to pin is refused" refuses_page_frames &&
		check "only the destination is pinned to be written" writes_where_it_may &&
		check "the destination's pages are dirty, the source's are not" marks_dirty
}

makes_tables() {
	check "each is mapped for the channel's device, in its own direction" mapped_for_the_channel &&
		check "each is unmapped as it was mapped" unmapped_as_mapped &&
		check "a table begins where its end does, in the middle of a page" begins_in_the_middle &&
		check "pages side by side are one segment, as long as the device takes it" merges_neighbours
}

# From here on copies have to come to their end, and may take their time on an
# emulated Pi.
runs_and_waits() {
	check "all are started, once" started_once &&
		check "the copy comes to its end" comes_to_its_end &&
		check "the last piece is waited for" waits_for_the_last_piece &&
		waits_at_most 10000 &&
		check "each raises an interrupt, and the report counts them" runs_each &&
		check "whole pages are copied, wherever they lie" copies_whole_pages &&
		check "pages that are shared, copy on write, are copied first" copies_on_write &&
		check "the report counts pages and segments" counts_what_it_did
}

copies_every_byte() {
	check "no cache line goes by DMA that is only in part the destination's" only_whole_lines &&
		check "every byte is copied, at any address, alignment and length" copies_at_any_alignment &&
		check "ranges side by side are no overlap" copies_side_by_side &&
		check "bytes beside the destination stay, while others write there" leaves_the_rest_alone &&
		check "they stay, too, when the engine is late" leaves_the_rest_alone_late
}

goes_by_windows() {
	check "several windows are copied, at any alignment" copies_several_windows &&
		check "from one huge page to another goes in as few pieces as can be" keeps_huge_pages_whole &&
		check "256 MiB are copied, a window pinned at a time" copies_256_mib &&
		check "the report is true when a copy ends in the middle" tells_how_far &&
		check "a report that cannot be given is an error" needs_its_report &&
		check "files that are mapped are copied" copies_from_file_to_file &&
		check "several threads and processes each get their own" serves_many
}

withstands() {
	check "a dead engine is given up, and the next copy works" gives_up_a_dead_engine &&
		check "a killed program lets go at once, and the next copy works" lets_a_killed_program_go &&
		check "the kernel log is silent, unless something fails or is asked for" tells_what_it_is_asked &&
		check "a copy through an open file survives unbinding" survives_unbinding &&
		check "the module unloads, and gives everything back" gives_everything_back
}

driver_begin
plan 9
step "the module loads, makes its device, holds a channel, and goes again" loads_and_goes
needs 1 step "the ioctl refuses what it must" refuses_what_it_must
needs 2 step "the pages of both ends are pinned, and unpinned" pins_and_unpins
needs 3 step "each end is a table of segments, mapped for the channel's device" makes_tables
needs 4 step "each piece that both ends have in common is a descriptor" a_descriptor_a_piece
needs 5 step "the engine runs all of them, and the last is waited for" runs_and_waits
needs 6 step "every byte is copied, and none beside the destination changes" copies_every_byte
needs 7 step "a copy of any length goes window by window" goes_by_windows
needs 8 step "the driver withstands an engine that is late, or dead" withstands
finish

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Tests lab 1, one line a step: sudo ./test.sh, here or on a real Pi.
set -eu
cd "$(dirname "$0")"

# shellcheck source=labs/lib/driver.sh
. ../lib/driver.sh

module=dma_m2m
ko=dma_m2m.ko
device=/dev/dma_m2m_misc_dev
node=dma-m2m
buffer=65536

# write_once LENGTH [THERE]: what one write(2) of $work/data returned. The shell's
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

# not_told BEFORE: of a transfer whose end nobody was told, when there had been as many
# interrupts before it.
not_told() {
	if [ -n "$irq" ] && [ "$(our_interrupts)" -gt "$1" ]; then
		echo 'The engine came to the end: does the callback call complete()?'
	else
		echo 'Is the transfer started, by dma_async_issue_pending()?'
	fi
}

# attempt_transfer LENGTH: writes fresh random bytes to the device in one write(2).
# That the buffers differ is for a later step to say.
attempt_transfer() {
	random "$1"
	earlier=$(our_interrupts)
	written=$(write_once "$1")
	case $written in
	"$1" | EIO) ;;
	ETIMEDOUT | 'nothing within'*) fail "A write() of $1 bytes returned $written.
$(not_told "$earlier")" ;;
	*) fail "A write() of $1 bytes returned $written." ;;
	esac
}

transfer() {
	attempt_transfer "$1" || return
	[ "$written" != EIO ] || fail \
		"A write() of $1 bytes returned EIO: the buffers differ.
Are they compared only after dma_unmap_single()? Until then they are the engine's."
}

# reads_back LENGTH: the device gives $work/data, of that length, then its end.
reads_back() {
	head -c $(($1 + 1)) "$device" | cmp "$work/data" - >"$work/cmp" 2>&1 || fail \
		"$1 bytes were written, and read() gave others: $(cat "$work/cmp").
Does it give m2m->len bytes of m2m->read_buf, move *ppos on, and return 0 at the end? Does write() set m2m->len?"
}

# ---- the kernel's books -----------------------------------------------------

# One write(2) of a page, with the kernel's calls recorded; once is enough. Other
# devices' mappings, by an interrupt that came in between, are not ours.
watch_a_write() {
	can_witness || return
	[ ! -e "$calls" ] || return 0
	random 4096
	dynamic_debug + || true
	witness ./one_write "$device" 4096 <"$work/data" >/dev/null 2>&1 || true
	dynamic_debug - || true
	driver_said >"$work/stages"
	grep -E "device=\"($controller|.*dma-m2m)\"" "$calls" >"$work/mappings" || true
}

# mappings PATTERN: how many of our maps and unmaps match.
mappings() {
	grep -c -- "$1" "$work/mappings" || true
}

# bus_of DIRECTION: the bus address that mapping in that direction gave.
bus_of() {
	sed -n "/^map .* direction=DMA_$1\$/{n;s/^mapped bus=//p;}" "$calls"
}

# address_of END: its bus address, by what the driver said of it.
address_of() {
	sed -n "s/.* $1: .* bus 0x0*\([0-9a-f]*\).*/0x\1/p" "$work/stages"
}

# ---- the steps --------------------------------------------------------------

# The engine copies within pages that follow each other. Neither vmalloc() nor a
# static variable takes a whole block of them. Pages have 4 KiB on a Pi 3.
allocates_buffers() {
	can_witness || return
	taken=$instance/events/kmem/mm_page_alloc
	[ -e "$taken" ] || skip 'this kernel does not tell who takes pages' || return
	goes && echo 'order > 3' >"$taken/filter" && echo 1 >"$taken/enable" || return
	witness insmod "./$ko"
	echo 0 >"$taken/enable"
	orders=$(sed -n 's/.* mm_page_alloc: .* order=\([0-9]*\).*/\1/p' "$instance/trace")
	rm -f "$calls"
	pages=0
	for order in $orders; do
		pages=$((pages + (1 << order)))
	done
	goes && loads || return
	[ $((pages * 4096)) -ge $((2 * buffer)) ] || fail \
		"Two buffers of $buffer bytes, each one block of pages, were to be allocated; insmod took $((pages * 4096)) bytes
in blocks of that size. See devm_get_free_pages(), and get_order() of DMA_M2M_BUF_SIZE."
}

# A second one finds out whether the first has let go of everything.
refuses_bad_addresses() {
	for _ in 1 2; do
		written=$(write_once 16 0)
		case $written in
		EFAULT) ;;
		'nothing within'*)
			fail "After a write() that failed, the next one waits for ever: is the mutex unlocked on each way out?" ||
				return
			;;
		*)
			fail "A write() from a bad address returned $written, not EFAULT: see copy_from_user(),
which returns how many bytes it could not copy." || return
			;;
		esac
	done
}

# Whether the transfer itself works is for later steps to say. Of one byte too many
# there is none: a driver that wants it, too, gets EFAULT and no further.
takes_data() {
	: >"$work/data"
	written=$(write_once 0)
	[ "$written" = 0 ] || fail "A write() of no bytes returned $written, not 0." || return
	refuses_bad_addresses || return
	random "$buffer"
	written=$(write_once $((buffer + 1)) "$buffer")
	case $written in
	"$buffer" | ETIMEDOUT | EIO | ENOMEM | nothing*) ;;
	0) fail 'A write() returned 0: it is to return how many bytes it took.' ;;
	5 | 12 | 14 | 110) fail "A write() returned $written: errors are negative numbers, like -ETIMEDOUT." ;;
	*) fail "A write() of $((buffer + 1)) bytes returned $written, not the $buffer that fit the buffer:
see min_t(), DMA_M2M_BUF_SIZE." ;;
	esac
}

maps_both_buffers() {
	watch_a_write || return
	[ "$(mappings '^map ')" -ne 1 ] || fail \
		"Only one buffer is mapped. What does the driver take for an error? See dma_mapping_error()." || return
	[ "$(mappings '^map ')" -eq 2 ] ||
		fail "dma_map_single() was called $(mappings '^map ') times in one write(), not once a buffer." || return
	[ "$(mappings "^map device=\"$controller\"")" -eq 2 ] || fail \
		"A buffer was not mapped for $controller, the device that moves the data:
see dmaengine_get_dma_device()." || return
	[ "$(mappings '^map .* direction=DMA_TO_DEVICE$')" -eq 1 ] && [ "$(mappings '^map .* direction=DMA_FROM_DEVICE$')" -eq 1 ] ||
		fail "The source goes DMA_TO_DEVICE, the destination comes DMA_FROM_DEVICE; seen:
$(grep '^map ' "$work/mappings")" || return
	[ "$(address_of source)" != "$(bus_of FROM_DEVICE)" ] || fail \
		"m2m->src is what DMA_FROM_DEVICE gave. The direction is named from the device's side:
it reads the source, so that one goes DMA_TO_DEVICE." || return
	[ "$(mappings '^map .* length=4096 ')" -eq 2 ] ||
		fail "4096 bytes were written, but not 4096 mapped at each end."
}

submits_one_descriptor() {
	watch_a_write || return
	[ "$(called '^prepare ')" -eq 1 ] ||
		fail "$(called '^prepare ') descriptors were prepared for one write(): see dmaengine_prep_dma_memcpy()." || return
	[ "$(called "^prepare to=$(bus_of FROM_DEVICE) from=$(bus_of TO_DEVICE) length=4096 ")" -eq 1 ] || fail \
		"The descriptor is: $(grep '^prepare' "$calls"). It should be
to=$(bus_of FROM_DEVICE) from=$(bus_of TO_DEVICE) length=4096, the bus addresses that dma_map_single() gave,
the destination first." || return
	[ "$(called '^submit')" -eq 1 ] ||
		fail "The descriptor was prepared and not submitted: see dmaengine_submit()." || return
	asks_for_interrupts
}

# A driver that gives up, and then finds the cookie complete, was never called back.
is_called_back() {
	waits_at_most 3000 && rm -f "$calls" && watch_a_write || return
	[ "$(called '^terminate')" -gt 0 ] || return 0
	[ "$(called '^issue')" -gt 0 ] || fail \
		"The wait ended by its bound: nobody has started the transfer, by dma_async_issue_pending()." || return
	fail "The transfer was started, and the wait ended by its bound: the callback has to be set before
dmaengine_submit(), and to call complete()."
}

raises_an_interrupt() {
	[ -n "$irq" ] || skip "$channel shares its interrupt with other channels" || return
	before=$(our_interrupts)
	for _ in 1 2 3 4 5; do
		attempt_transfer 4096 || return
	done
	raised=$(($(our_interrupts) - before))
	[ "$raised" -eq 5 ] || fail \
		"5 writes raised $raised interrupts of the DMA controller, not one each:
without dma_async_issue_pending() nothing moves, and a copy by the CPU raises none."
}

sleeps() {
	job_ended || [ "$state" = D ] || [ "$state" = S ]
}

# Whether it still waits is asked a little later than after the usual timeout_ms.
still_waits() {
	soon sleeps || fail "While the engine does not run, write() neither sleeps nor returns:
see wait_for_completion_killable_timeout()." || return
	sleep 1.5
	! job_ended || case $(cat "$work/said") in
	ETIMEDOUT) fail "timeout_ms is 60000, and write() returned ETIMEDOUT long before:
see wait_for_completion_killable_timeout()." ;;
	*) fail "A write() returned before the engine was done: \"$(cat "$work/said")\". Does it wait, by
wait_for_completion_killable_timeout()? Is the completion set back, by reinit_completion()?" ;;
	esac
}

# SIGSTOP stops a process on its way back to user space: not before its transfer.
stays_when_stopped() {
	kill -STOP "$job"
	sleep 0.5
	state_of "$job"
	[ "$state" != T ] ||
		fail "A signal that does not kill ends the wait: see wait_for_completion_killable_timeout()."
}

# The second write of two: the first leaves the completion as it leaves it.
waits_for_the_end() {
	engine_find "$channel" && waits_at_most 60000 && attempt_transfer 4096 || return
	engine_stop
	write_in_background && still_waits && stays_when_stopped && stayed=0 || stayed=1
	kill -CONT "$job" 2>/dev/null || true
	engine_wake
	[ "$stayed" -eq 0 ] || return
	soon job_ended || fail "The engine is done, and write() still waits." || return
	case $(cat "$work/said") in
	4096 | EIO) ;;
	*) fail "The engine answered in time, and write() returned $(cat "$work/said")." ;;
	esac
}

# A length that is no multiple of four makes QEMU run on for ever: say so first.
gives_back_every_byte() {
	transfer 4 && reads_back 4 || return
	echo '<6>dma-labs: lengths that are no multiple of 4 come now' >/dev/kmsg
	for lengths in '1 130' '4090 4102' "$((buffer - 6)) $buffer"; do
		# shellcheck disable=SC2086 # two words
		./every_length "$device" $lengths 2>"$work/length" || fail "$(cat "$work/length"):
no length and no address is special. Does the engine copy the last bytes, too?" || return
	done
	transfer $((buffer - 1)) && reads_back $((buffer - 1)) || return
	dd if="$device" bs=4099 2>/dev/null | cmp -s - "$work/data" ||
		fail "read() of 4099 bytes at a time gives other bytes than read() of all." || return
	random 8
	{ cat "$work/data" >&5 && cmp -s "$work/data" - <&5 && cat "$work/data" >&5 &&
		cmp -s "$work/data" - <&5; } 5<>"$device" ||
		fail "A file that was opened once does not read back what it wrote: write() sets *ppos to 0." || return
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
$([ ! -s "$work/unmapped" ] && echo nothing || cat "$work/unmapped")" || return
	[ "$(sed -n '/^issue/,$p' "$calls" | grep -c '^unmap ')" -eq "$(called '^unmap ')" ] ||
		fail "A buffer was unmapped before the engine had it: see dma_async_issue_pending()."
}

# ---- an engine that misbehaves ----------------------------------------------

# write_in_background: fresh random bytes; what came of it will be in $work/said. How
# long it may take is for the caller to say: it is not ended after ten seconds.
write_in_background() {
	random 4096
	# shellcheck disable=SC2016 # for that shell
	background sh -c 'trap "" ALRM; exec "$0" "$@"' ./one_write "$device" 4096
	soon engine_has_work || fail 'The transfer did not come to the engine.'
}

# nothing_stale: after a write() that failed there is nothing to read.
nothing_stale() {
	[ "$(head -c 1 "$device" | wc -c)" -eq 0 ] ||
		fail "The write failed, and read() still gives the bytes of another: see m2m->len."
}

# However slow this machine is.
works_again() {
	waits_at_most 60000
	transfer 4096 && reads_back 4096 && return
	lead 'This was the transfer after one that went wrong: was the channel stopped then, by dma_m2m_give_up()?'
}

# 4097 random bytes, but for the last.
ends_with() {
	random 4096
	printf '%s' "$1" >>"$work/data"
}

# The engine leaves the last byte out, and that one was another before.
says_what_differs() {
	engine_find "$channel" && waits_at_most 60000 || return
	ends_with a
	written=$(write_once 4097)
	[ "$written" = 4097 ] || fail "A write() of 4097 bytes returned $written." || return
	ends_with b
	engine_stop
	background ./one_write "$device" 4097
	soon engine_has_work || fail 'The transfer did not come to the engine.' || return
	engine_wake_short 4096 2>"$work/short" || {
		engine_wake
		skip "$(cat "$work/short")"
	} || return
	soon job_ended || fail "The engine is done, and write() still waits." || return
	[ "$(cat "$work/said")" = EIO ] || fail \
		"The engine copied 4096 bytes of 4097, and write() returned $(cat "$work/said"), not EIO:
are all bytes of both buffers compared, by memcmp(), and does what it says come back?
Between the two buffers only the engine may copy." || return
	nothing_stale && transfer 4096 || return
	written=$(write_once 16 0)
	[ "$written" = EFAULT ] || fail "A write() from a bad address returned $written." || return
	nothing_stale && works_again
}

gives_up_a_dead_engine() {
	engine_find "$channel" && waits_at_most 100 || return
	[ "$bound" = 1000 ] ||
		fail "When nobody sets it, timeout_ms is \"$bound\", not 1000." || return
	random 4096
	engine_stop
	background witness ./one_write "$device" 4096
	soon job_ended || {
		engine_wake
		fail "A write() to a dead engine waits without a bound, not timeout_ms."
	} || return
	wait "$job" || no_answer $? >"$work/said"
	engine_start
	[ "$(cat "$work/said")" = ETIMEDOUT ] || fail \
		"The engine was dead, and write() returned $(cat "$work/said"), not ETIMEDOUT:
see what wait_for_completion_killable_timeout() returns. Then dma_async_is_tx_complete() is
asked by the cookie that dmaengine_submit() returned, and DMA_COMPLETE alone is a success." || return
	gave_up || return
	[ ! -d "$instance" ] || [ "$(called '^map ')" -eq "$(called '^unmap ')" ] ||
		fail "$(called '^map ') buffers were mapped, $(called '^unmap ') unmapped, when the transfer had failed." || return
	nothing_stale && works_again
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

# ---- several at once --------------------------------------------------------

# writer NAME LENGTH: writes fresh random bytes in the background; $job is what
# writes, and what came of it will be in $work/NAME.said. Returns when the driver
# has it wait, or has answered.
writer() {
	random "$2"
	mv "$work/data" "$work/$1.data"
	{ ./one_write "$device" "$2" <"$work/$1.data" >"$work/$1.said" 2>&1 & } 2>/dev/null
	job=$!
	soon waits
}

waits() {
	job_ended || [ "$state" = D ]
}

# answers NAME WHAT: that is what the writer's write() returned.
answers() {
	got=$(cat "$work/$1.said")
	[ "$got" = "$2" ] ||
		fail "The $1 of several writers at once got ${got:-no answer}, not $2."
}

# holds NAME: what can be read is that writer's, from the first byte to the last.
holds() {
	cmp -s "$work/$1.data" "$device"
}

# The first holds the engine, which does not run; the others wait for their turn.
serves_each_in_turn() {
	engine_find "$channel" && waits_at_most 60000 || return
	engine_stop
	jobs=''
	for writer in first:4096 second:65535 third:300 fourth:7; do
		writer "${writer%:*}" "${writer#*:}" || fail "A writer neither waits nor returns." || return
		jobs="$jobs $job"
	done
	engine_wake
	for job in $jobs; do
		soon job_ended || fail "One of several writers at once does not come back." || return
	done
	for writer in first:4096 second:65535 third:300 fourth:7; do
		answers "${writer%:*}" "${writer#*:}" || {
			fail "See mutex_lock_killable(): from copy_from_user() to the comparison, one at a time."
		} || return
	done
	holds first || holds second || holds third || holds fourth ||
		fail "After several writes at once, read() gives what none of them wrote."
}

# A writer that is killed while it waits for its turn takes nothing with it.
lets_a_killed_waiter_go() {
	engine_find "$channel" && waits_at_most 60000 || return
	engine_stop
	writer first 4096
	first=$job
	writer second 300
	kill -KILL "$job"
	soon job_ended || {
		engine_wake
		fail "A writer that was killed while another's transfer runs stays: see mutex_lock_killable()."
	} || return
	job=$first
	! job_ended || {
		engine_start
		fail "A writer that was killed while another's transfer runs did not go before that one, or
took it along: it got \"$(cat "$work/first.said")\". See mutex_lock_killable(), before anything is touched."
	} || return
	engine_wake
	soon job_ended || fail "When a waiting writer is killed, the one that it waited for hangs." || return
	answers first 4096 || return
	holds first || fail "A writer that was killed while it waited has changed what another wrote."
}

has_its_turn() {
	engine_has_work || job_ended
}

# A reader waits for the writer before it, and gets what that one wrote.
reader_waits() {
	engine_find "$channel" && waits_at_most 60000 || return
	engine_stop
	write_in_background || return
	{ cat "$device" >"$work/read" & } 2>/dev/null
	job=$!
	soon waits
	! job_ended || {
		engine_wake
		fail "A read() while a write() is under way does not wait for it: see mutex_lock_killable()."
	} || return
	reader=$job
	cat "$device" >/dev/null 2>&1 &
	job=$!
	soon waits
	kill -KILL "$job"
	soon job_ended && killed=0 || killed=1
	job=$reader
	engine_wake
	[ "$killed" -eq 0 ] || fail "A killed process stays in read(), which waits for a write(): see mutex_lock_killable()." || return
	soon job_ended || fail "The transfer is done, and a read() still waits for it." || return
	cmp -s "$work/data" "$work/read" || fail "A read() that waited for a write() gives other bytes than that wrote."
}

# Of two the first gives up; the second has a time of its own, and an engine. The
# first reads its bound before it sleeps.
waits_on_its_own_account() {
	engine_find "$channel" && waits_at_most 300 || return
	engine_stop
	writer first 4096
	first=$job
	waits_at_most 60000
	writer second 300
	second=$job
	job=$first
	soon job_ended || {
		engine_wake
		fail "The first of two writers to a dead engine waits without a bound."
	} || return
	job=$second
	soon has_its_turn || {
		engine_start
		fail "The first of two writers gave up, and the second's transfer does not come to the engine."
	} || return
	engine_wake
	soon job_ended || fail "The engine is done, and the second of two writers still waits." || return
	answers first ETIMEDOUT && answers second 300 || return
	holds second || fail "The second of two writers succeeded, and read() does not give what it wrote."
}

gives_up_one_by_one() {
	engine_find "$channel" && waits_at_most 100 || return
	engine_stop
	writer first 4096
	first=$job
	writer second 300
	soon job_ended && job=$first && soon job_ended || {
		engine_wake
		fail "One of two writers to a dead engine waits without a bound."
	} || return
	engine_start
	answers first ETIMEDOUT && answers second ETIMEDOUT && nothing_stale && works_again
}

waits_its_turn() {
	lets_a_killed_waiter_go && gives_up_one_by_one && waits_on_its_own_account
}

# ---- the log ----------------------------------------------------------------

# What the log has again and again in this step, whoever said it.
log_repeats() {
	step_log | sed 's/^[^]]*\] //; s/[0-9a-f]*[0-9][0-9a-f]*/N/g' |
		sort | uniq -c | awk -v n="$1" '$1 >= n'
}

is_silent() {
	for _ in 1 2 3 4 5; do
		transfer 4096 || return
	done
	said=$(driver_said && log_repeats 5)
	[ -z "$said" ] || fail \
		"5 writes succeeded, and the log is not silent: what a transfer does is for dev_dbg(). It has:
$(echo "$said" | head -n 1)"
}

# With each of 30 writes failing, ten lines in five seconds are what
# dev_err_ratelimited() lets through.
complains_once() {
	waits_at_most 60000 && is_silent && engine_find "$channel" && waits_at_most 1 || return
	random 16
	engine_stop
	written=$(write_once 16)
	driver_said >"$work/lines"
	begun=$(cut -d . -f 1 /proc/uptime)
	for _ in $(seq 30); do
		write_once 16
	done >/dev/null
	spent=$(($(cut -d . -f 1 /proc/uptime) - begun))
	engine_start
	waits_at_most 60000
	[ "$(wc -l <"$work/lines")" -eq 1 ] || fail \
		"One write() failed, with $written, and the driver put $(wc -l <"$work/lines") lines into the log, not one:
$(cat "$work/lines")" || return
	[ "$(driver_said | wc -l)" -le $((10 * (spent / 5 + 2))) ] || fail \
		"31 writes failed, and each has its line in the log: who may write() could fill it.
See dev_err_ratelimited()."
}

# tells WHAT PATTERN: the log has it.
tells() {
	grep -qiE -- "$2" "$work/stages" || fail \
		"With dynamic debug, dev_dbg() should tell $1 (/$2/). It told:
$(sed 's/.*soc:/soc:/' "$work/stages")"
}

tells_each_stage() {
	dynamic_debug + || skip 'this kernel has no dynamic debug' || return
	rm -f "$calls"
	random 4096
	witness ./one_write "$device" 4096 <"$work/data" >"$work/said" 2>&1 || true
	dynamic_debug -
	driver_said >"$work/stages"
	transfer 4096 || return
	[ "$(driver_said | wc -l)" -eq "$(wc -l <"$work/stages")" ] ||
		fail "Dynamic debug is off again, and the driver still tells its stages: that is for dev_dbg()." || return
	tells 'the virtual addresses' 'virtual' && tells 'the physical addresses' 'physical' &&
		tells 'the bus addresses' 'bus' && tells 'the length' '4096' &&
		tells 'the channel' "$channel" && tells 'the cookie' 'cookie' &&
		tells 'how the transfer ended' 'cookie.*[^0-9]0$' || return
	[ -e "$calls" ] || return 0
	buses=$(sed -n 's/^mapped bus=0x//p' "$calls")
	for bus in $buses; do
		tells "the bus address" "$bus" || return
	done
}

# ---- the steps, each needs the one before ------------------------------------

# Whether it leaves its channel behind is for the next step to say.
comes_again() {
	goes && loads
}

loads_and_goes() {
	check "the module loads and makes $device" loads && bound=$(default_timeout) &&
		check "it stays while a file is open" stays_while_open &&
		check "it unloads, and loads again" comes_again &&
		check "each buffer is one block of pages" allocates_buffers
}

has_channel() {
	check "it holds a channel" holds_channel && check "it gives the channel back" gives_channel_back
}

runs_on_the_engine() {
	check "the end of a transfer is told to who waits" is_called_back &&
		check "each transfer raises one interrupt" raises_an_interrupt &&
		check "write() waits for the end" waits_for_the_end
}

takes_back() {
	check "each buffer is unmapped as it was mapped" unmaps_both_buffers &&
		check "every byte that was written comes back, at any length" gives_back_every_byte &&
		check "bytes that differ are an error, and are not given out" says_what_differs &&
		check "with dynamic debug, the log tells each stage" tells_each_stage
}

withstands() {
	check "a dead engine is given up, and the next transfer works" gives_up_a_dead_engine &&
		check "an engine that answers late is waited for" waits_for_a_late_engine &&
		check "a killed writer lets go at once, and the next transfer works" lets_a_killed_writer_go &&
		check "of several writers at once, each gets its own result" serves_each_in_turn &&
		check "a reader waits for the transfer that is under way" reader_waits &&
		check "who waits for its turn can be killed, and has its own time" waits_its_turn &&
		check "the log is silent about success, and has one line for an error" complains_once &&
		check "the module unloads, and gives everything back" gives_everything_back
}

driver_begin
plan 8
step "the module loads, makes its device, and goes again" loads_and_goes
needs 1 step "the driver holds a DMA channel, and gives it back" has_channel
needs 2 step "write() takes the user's data, no more than fits" takes_data
needs 3 step "each buffer is mapped for the channel's device, in its own direction" maps_both_buffers
needs 4 step "one descriptor for these buffers is prepared and submitted" submits_one_descriptor
needs 5 step "the engine runs each transfer, and says so by one interrupt" runs_on_the_engine
needs 6 step "the buffers are unmapped and compared, and read() gives the copy" takes_back
needs 7 step "the driver withstands an engine that is late, or dead" withstands
finish

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Tests lab 2, one line a step: sudo ./test.sh, here or on a real Pi.
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

module=dma_mmap_driver
ko=driver/dma_mmap_driver.ko
device=/dev/dma_mmap
node=dma-mmap
size=65536
program=./app/dma_mmap_test
copy_ioctl=0x4008d901
spoilt=''

# why_silent STATUS: what is to say about a program that said nothing.
why_silent() {
	case $1 in
	135) echo 'nothing, and ended by SIGBUS: where it is mapped, there is no memory' ;;
	142) echo 'nothing: the engine never called back (waited 20 s)' ;;
	*) echo "nothing, and ended with $1: the driver crashed" ;;
	esac
}

# does NAME: a test of the program's; its hint is the step's.
does() {
	{ hint=$("$program" "$1" 2>&1) && return || ended=$?; } 2>/dev/null
	[ "$ended" -lt 128 ] || hint="${hint:+$hint
}$program $1 said $(why_silent "$ended")."
	fail "$hint"
}

# copies LENGTH TIMES: copies of random bytes, of which the last came out right.
copies() {
	{ answer=$("$program" copy "$1" "$2" 2>&1) || answer=$(why_silent $?); } 2>/dev/null
	[ "$answer" = ok ] ||
		fail "DMA_MMAP_COPY of $1 bytes: $answer. Is the transfer started, by
dma_async_issue_pending()? Is the callback set, and does it call complete()?"
}

# ---- the kernel's books -----------------------------------------------------

# watch JOB...: a job of the program's, with the kernel's calls recorded.
watch() {
	can_witness || return
	{ witness "$program" "$@" >"$work/said" || true; } 2>/dev/null
}

# recorded NAME: a value in each of the recorded calls of standard input.
recorded() {
	sed -n "s/.* $1=\([^ ]*\).*/\1/p"
}

# in_memory BUS LENGTH: these addresses lie in the memory that was mapped.
in_memory() {
	grep '^mmap ' "$calls" | while read -r call; do
		start=$(($(echo "$call" | recorded bus)))
		length=$(echo "$call" | recorded length)
		[ $(($1)) -lt "$start" ] || [ $(($1 + $2)) -gt $((start + length)) ] || echo yes
	done | grep -q yes
}

# balanced WHAT: each allocation in the records was freed, as it was made.
balanced() {
	grep '^alloc ' "$calls" | sed 's/^alloc //' | sort >"$work/allocated"
	grep '^free ' "$calls" | sed 's/^free //; s/ bus=.*//' | sort >"$work/freed"
	cmp -s "$work/allocated" "$work/freed" && return
	fail "$1: dma_free_coherent() has to undo each dma_alloc_coherent(). Allocated:
$(cat "$work/allocated")
Freed:
$(cat "$work/freed")"
}

memory_free() {
	sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo
}

# ---- the steps --------------------------------------------------------------

gives_zeroed_memory() {
	does starts_zeroed && does keeps_files_apart
}

allocates_coherent_memory() {
	watch touch || return
	[ "$(called '^alloc ')" -ge 1 ] ||
		fail 'open() allocated no coherent memory: see dma_alloc_coherent().' || return
	[ "$(called '^alloc ')" -eq "$(called "^alloc device=\"$controller\"")" ] ||
		fail "The memory was not allocated for $controller, the device that moves the
data: see dmaengine_get_dma_device(). Seen: $(grep '^alloc ' "$calls")" || return
	page=$(getconf PAGESIZE 2>/dev/null || echo 4096)
	grep '^alloc ' "$calls" | recorded length >"$work/lengths"
	while read -r length; do
		[ $((length % page)) -eq 0 ] ||
			fail "$length bytes were allocated, which are no whole pages: what else is in the last
one, mmap() shows to the program." || return
	done <"$work/lengths"
}

maps_what_there_is() {
	does shows_source_and_destination && watch touch || return
	[ "$(called '^mmap ')" -ge 1 ] || fail \
		'mmap() does not go by dma_mmap_coherent(): nobody else knows the pages of coherent
memory, and how the CPU must see them.' || return
	[ "$(called '^mmap ')" -eq "$(called "^mmap device=\"$controller\"")" ] || fail \
		"mmap() was not for $controller, the device that the memory
was allocated for: see dmaengine_get_dma_device(). Seen: $(grep '^mmap ' "$calls")"
}

refuses_bad_mappings() {
	does refuses_bad_mappings && does refuses_changes
}

refuses_bad_requests() {
	does refuses_bad_requests ||
		fail 'What cannot be done is refused before anything is done: see struct dma_mmap_copy.'
}

# The first copy is there for what the controller's own driver allocates then.
submits_one_descriptor() {
	does survives_a_copy || {
		spoilt=yes
		return 1
	}
	watch copy 4096 1 && watch copy 4096 1 || return
	! grep -q backwards "$work/said" || fail \
		'The source has the destination'"'"'s bytes now: dmaengine_prep_dma_memcpy() takes the
destination first, then the source.' || return
	[ "$(called '^map ')" -eq 0 ] && [ "$(called '^map_table ')" -eq 0 ] ||
		fail 'Memory was mapped for a transfer: coherent memory has its bus address from
dma_alloc_coherent(), for as long as it is there.' || return
	[ "$(called '^prepare ')" -eq 1 ] || fail \
		"$(called '^prepare ') descriptors were prepared for one copy: see dmaengine_prep_dma_memcpy()." ||
		return
	prepared=$(grep '^prepare ' "$calls")
	[ "$(echo "$prepared" | recorded length)" -eq 4096 ] ||
		fail "4096 bytes were to be copied; the descriptor is: $prepared" || return
	{ in_memory "$(echo "$prepared" | recorded to)" 4096 &&
		in_memory "$(echo "$prepared" | recorded from)" 4096; } || fail \
		"The descriptor is: $prepared. Not all of that is in
the memory of the file: $(grep '^mmap ' "$calls")
The engine wants bus addresses, as dma_alloc_coherent() gave them." || return
	[ "$(called '^submit')" -eq 1 ] ||
		fail "The descriptor was prepared and not submitted: see dmaengine_submit()."
}

# A copy whose end nobody tells is found out by the time-out: not here.
runs_on_the_engine() {
	[ -n "$irq" ] || skip "$channel shares its interrupt with other channels" || return
	[ "$(cat "/sys/module/$module/parameters/timeout_ms" 2>/dev/null)" = 1000 ] ||
		fail 'The module has no parameter timeout_ms that is 1000: see module_param().' || return
	waits_at_most 60000 || return
	before=$(our_interrupts)
	copies 4096 5 && copies "$size" 1 && answered=0 || answered=1
	waits_at_most 1000
	[ "$answered" -eq 0 ] || return
	raised=$(($(our_interrupts) - before))
	[ "$raised" -eq 6 ] || fail \
		"6 copies raised $raised interrupts of the DMA controller, not one each:
without dma_async_issue_pending() nothing moves, and a copy by the CPU raises none."
}

# A length that is no multiple of four makes QEMU run on for ever: say so first.
copies_every_length() {
	echo '<6>dma-labs: lengths that are no multiple of 4 come now' >/dev/kmsg
	does copies_every_length
}

copies_at_once() {
	does copies_at_once
}

lives_long_enough() {
	does lives_long_enough || {
		spoilt=yes
		return 1
	}
}

# 1000 files' memory, were it not freed, would be 125 MiB: half of that is far more
# than all others here take or give back meanwhile.
is_freed() {
	if can_witness; then
		for how in 'copy 4096 1' touch killed; do
			# shellcheck disable=SC2086 # a list of words
			watch $how
			balanced "dma_mmap_test $how" || return
		done
	fi
	before=$(memory_free)
	"$program" reopen 1000 >"$work/said" ||
		fail "1000 times open(), mmap() and close(): $(cat "$work/said")" || return
	[ $((before - $(memory_free))) -lt $((1000 * 2 * size / 1024 / 2)) ] ||
		fail "1000 times open(), mmap() and close() used up $((before - $(memory_free))) KiB: see release()."
}

# tells WORD WHY: the driver's messages have it.
tells() {
	grep -qw -- "$1" "$work/told" || fail "With dynamic debug on, the driver does not tell $2: see dev_dbg(). It said:
$(cat "$work/told")"
}

is_silent_until_asked() {
	said=$(dmesg | sed -n "/dma-labs: run $$, step 1.0 begins/,\$p" | grep "soc:$node:" | head -n 3 || true)
	[ -z "$said" ] || fail "All went well, and the driver has talked: $said" || return
	[ -w /proc/dynamic_debug/control ] || skip 'this kernel has no dynamic debug' || return
	echo "module $module +p" >/proc/dynamic_debug/control
	copies 4096 1 && answered=0 || answered=1
	echo "module $module -p" >/proc/dynamic_debug/control
	driver_said >"$work/told"
	[ "$answered" -eq 0 ] && tells "$channel" "the channel's name" &&
		tells virtual 'virtual addresses' && tells physical 'physical addresses' &&
		tells bus 'bus addresses' && tells 4096 'the length' && tells 'cookie [0-9]*' 'the cookie' &&
		tells 'ended with 0' 'how it ended'
}

# ---- an engine that misbehaves ----------------------------------------------

# stalled TIMEOUT FUNCTION: runs it with the engine stopped. Whatever comes of it,
# the engine works afterwards, and no copy is left; but what would then write to
# memory that is free is not woken.
stalled() {
	engine_find "$channel" && waits_at_most "$1" || return
	jobs=''
	engine_stop
	"$2" && answered=0 || answered=1
	if [ -n "$spoilt" ]; then engine_start; else engine_wake; fi
	# shellcheck disable=SC2086 # a list of numbers
	[ -z "$jobs" ] || kill -KILL $jobs 2>/dev/null || true
	waits_at_most 1000
	return "$answered"
}

# start_copy: in the background; what came of it will be in $work/said, what came
# of the one before in $work/said-before. It is not for SIGALRM to end it.
start_copy() {
	[ ! -e "$work/said" ] || mv "$work/said" "$work/said-before"
	trap '' ALRM
	background "$@" "$program" copy 4096 1
	trap - ALRM
	jobs="$jobs $job"
}

# It is in the driver, at the engine or behind another.
is_in_the_driver() {
	grep -qs "$copy_ioctl" "/proc/$job/syscall"
}

# ends JOB: soon.
ends() {
	job=$1
	soon job_ended
}

works_again() {
	copies 4096 1 || fail 'That was the copy after the one that went wrong.'
}

gives_up_a_copy() {
	start_copy witness
	ends "$job" || fail 'A copy by a dead engine waits without a bound, not timeout_ms.' || return
	[ "$(cat "$work/said")" = ETIMEDOUT ] ||
		fail "The engine was dead, and DMA_MMAP_COPY said $(cat "$work/said"), not ETIMEDOUT." || return
	[ ! -d "$instance" ] || [ "$(called '^terminate')" -ge 1 ] ||
		fail 'The engine may still write later: see dmaengine_terminate_sync().' || return
	[ ! -d "$instance" ] || balanced 'A file whose copy timed out'
}

# One of the two waits behind the other.
gives_up_two_copies() {
	start_copy
	first=$job
	start_copy
	ends "$first" && ends "$job" ||
		fail 'Of two copies by a dead engine, one waits without a bound.' || return
	[ "$(sort -u "$work/said" "$work/said-before")" = ETIMEDOUT ] ||
		fail "The engine was dead, and two copies said $(cat "$work/said-before" "$work/said")."
}

gives_up_a_dead_engine() {
	stalled 100 gives_up_a_copy && works_again &&
		stalled 100 gives_up_two_copies && works_again
}

# The last ones are so many that dev_err_ratelimited() has long stopped.
times_out_often() {
	"$program" copy 4096 1 >/dev/null || true
	once=$(driver_said)
	[ "$(echo "$once" | grep -c .)" -eq 1 ] ||
		fail "A copy timed out, which is one message, by dev_err_ratelimited(); not this:
$once" || return
	{ answer=$("$program" copy 4096 50) || answer=$(why_silent $?); } 2>/dev/null
	[ "$answer" = ETIMEDOUT ] || fail "The engine was dead, timeout_ms was 1, and 50 times DMA_MMAP_COPY said
$answer. Is timeout_ms what the wait is given?" || return
	[ "$(driver_said | wc -l)" -lt 50 ] ||
		fail 'Whoever may open the device can fill the log: see dev_err_ratelimited().'
}

reports_errors_once() {
	stalled 1 times_out_often && works_again
}

# The signal is one that a program may catch.
is_late() {
	start_copy
	soon engine_has_work || fail 'The transfer did not come to the engine.' || return
	kill -USR1 "$job"
	engine_wake
	ends "$job" || fail 'The engine is done, and DMA_MMAP_COPY still waits.' || return
	[ "$(cat "$work/said")" = ok ] ||
		fail "The engine answered late, but in time, and a signal came that does not kill:
DMA_MMAP_COPY said $(cat "$work/said"). See wait_for_completion_killable_timeout()."
}

waits_for_a_late_engine() {
	stalled 60000 is_late
}

kills_one() {
	start_copy
	soon engine_has_work || fail 'The transfer did not come to the engine.' || return
	kill -KILL "$job"
	ends "$job" ||
		fail 'A killed process stays in the ioctl(): see wait_for_completion_killable_timeout().' ||
		return
	! engine_has_work || {
		spoilt=yes
		fail 'The process is gone, and the engine still has its transfer, to memory that was freed:
see dmaengine_terminate_sync().'
	}
}

# One copy is at the engine, another waits behind it and is killed, then the first;
# a third, which has waited behind it, is then at the engine.
kills_two_of_three() {
	start_copy
	first=$job
	soon engine_has_work || fail 'The transfer did not come to the engine.' || return
	start_copy
	soon is_in_the_driver || fail 'A second copy did not come to the driver.' || return
	kill -KILL "$job"
	ends "$job" ||
		fail 'A killed process waits for the copy of another: see mutex_lock_killable().' || return
	engine_has_work ||
		fail 'A process was killed, and took the copy of another with it: dmaengine_terminate_sync()
ends all of the channel. Is there one copy at a time, by a mutex?' || return
	start_copy
	third=$job
	soon is_in_the_driver || fail 'A third copy did not come to the driver.' || return
	kill -KILL "$first"
	ends "$first" || fail 'A killed process stays in the ioctl().' || return
	soon engine_has_work ||
		fail 'A copy was ended by a signal, and the one behind it does not come to the engine.' || return
	engine_wake
	ends "$third" || fail 'The copy behind the ones that were killed does not end.' || return
	[ "$(cat "$work/said")" = ok ] ||
		fail "A copy was ended by a signal; the one behind it: $(cat "$work/said")."
}

lets_the_killed_go() {
	stalled 60000 kills_one && works_again && stalled 60000 kills_two_of_three && works_again
}

# ---- the end ----------------------------------------------------------------

# stays_while_held WHAT: somebody has the file or its memory when the device goes.
stays_while_held() {
	background "$program" hold "$1"
	soon grep -q ready "$work/said" || fail "hold $1 said: $(cat "$work/said")" || return
	! rmmod "$module" 2>/dev/null ||
		fail "rmmod took the module away under a $1: see .owner in struct file_operations." || return
	bus=/sys/bus/platform/devices/soc:$node/driver
	driver=$(readlink -f "$bus")
	[ ! -e "$bus/unbind" ] || echo "soc:$node" >"$driver/unbind"
	kill -USR1 "$job"
	soon job_ended || fail "After unbinding by sysfs, a process that held a $1 hangs." || return
	[ -e "$driver/unbind" ] || return 0
	case $1:$(sed -n 's/^copy: //p' "$work/said"):$(channels_in_use | grep -xF "$channel" || true) in
	mapping:* | "file:success:$channel" | file:ENODEV:*) ;;
	*) fail "The device was unbound with a file open, and a copy then gave: $(tail -n 1 "$work/said").
See suppress_bind_attrs: the channel and the driver's state went with the device." || return ;;
	esac
	[ ! -e "$driver/bind" ] || [ -e "$bus" ] || echo "soc:$node" >"$driver/bind" ||
		fail 'The device was unbound while it was used, and does not come back: see suppress_bind_attrs.'
}

unloads() {
	[ -z "$spoilt" ] ||
		fail 'Not tried: it would bring to its end what went wrong in an earlier step.' || return
	stays_while_held file && stays_while_held mapping && gives_everything_back
}

driver_begin
plan 19
step "the module loads and makes $device" loads
needs 1 step "the driver holds a DMA channel" holds_channel
needs 2 step "each file opened gets coherent memory, allocated for the channel's device" \
	allocates_coherent_memory
needs 2 step "mmap() shows the source, the destination, or any pages of them" maps_what_there_is
needs 4 step "each open file's memory is its own, and zeroed" gives_zeroed_memory
needs 4 step "mmap() refuses what it must, and mprotect() and mremap() do, too" refuses_bad_mappings
needs 4 step "ioctl() refuses what it must" refuses_bad_requests
needs 4 step "one descriptor for this file's memory is prepared and submitted" submits_one_descriptor
needs 8 step "the engine runs each copy, and says so by one interrupt" runs_on_the_engine
needs 9 step "any length is copied, and no other byte changes" copies_every_length
needs 10 step "processes and threads copy at once, each its own" copies_at_once
needs 10 step "the memory lives until its last mapping and descriptor are gone" lives_long_enough
needs 12 step "then it is freed, however the process has ended" is_freed
needs 10 step "the driver is silent, until dynamic debug has it tell each stage" is_silent_until_asked
needs 10 step "a dead engine is given up, and the next copy works" gives_up_a_dead_engine
needs 15 step "a time-out is reported once, and many are no flood" reports_errors_once
needs 15 step "an engine that answers late is waited for" waits_for_a_late_engine
needs 15 step "a killed process goes at once, and the one waiting behind it gets its copy" \
	lets_the_killed_go
needs 1 step "the module unloads, when nobody uses it any more" unloads
finish

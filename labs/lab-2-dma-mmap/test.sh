#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Tests lab 2, one line a step: sudo ./test.sh, here or on a real Pi.
set -eu
cd "$(dirname "$0")"

# shellcheck source=labs/lib/driver.sh
. ../lib/driver.sh

module=dma_mmap_driver
ko=driver/dma_mmap_driver.ko
device=/dev/dma_mmap
node=dma-mmap
size=65536
program=./app/dma_mmap_test
copy_ioctl=0x4008d901

# why_silent STATUS: what is to say about a program that said nothing.
why_silent() {
	case $1 in
	135) echo 'nothing, and ended by SIGBUS: where it is mapped, there is no memory' ;;
	142) echo 'nothing: the engine never called back' ;;
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
	case $answer in
	ok) ;;
	success* | backwards*) fail "DMA_MMAP_COPY of $1 bytes: $answer.
Was the transfer waited for? Are its addresses and its length those of this file's memory?" ;;
	*above*) fail "DMA_MMAP_COPY of $1 bytes: $answer. It returns 0, or an error." ;;
	*) fail "DMA_MMAP_COPY of $1 bytes: $answer. Is the transfer started, by
dma_async_issue_pending()? Is the callback set, and does it call complete()?" ;;
	esac
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

# The kernel's records come first: a driver that is wrong here may not open twice.
gets_coherent_memory() {
	! can_witness || allocates_coherent_memory || return
	skipped=''
	does opens ||
		fail 'Is the memory of each open file allocated, by dma_alloc_coherent(), and returned?'
}

allocates_coherent_memory() {
	watch opens || return
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

# A bus address that was taken for a page frame number ends in SIGBUS.
shows_each_page() {
	does shows_source_and_destination ||
		fail 'The pages of coherent memory are shown by dma_mmap_coherent(): it takes the address and
the size of all of it, whatever part of it is mapped.'
}

goes_by_the_dma_api() {
	watch touch || return
	[ "$(called '^mmap ')" -ge 1 ] || fail \
		'mmap() does not go by dma_mmap_coherent(): nobody else knows the pages of coherent
memory, and how the CPU must see them.' || return
	[ "$(called '^mmap ')" -eq "$(called "^mmap device=\"$controller\"")" ] || fail \
		"mmap() was not for $controller, the device that the memory
was allocated for: see dmaengine_get_dma_device(). Seen: $(grep '^mmap ' "$calls")"
}

gives_zeroed_memory() {
	does starts_zeroed
}

keeps_files_apart() {
	does keeps_files_apart
}

refuses_bad_mappings() {
	does refuses_bad_mappings
}

refuses_changes() {
	does refuses_changes
}

refuses_bad_requests() {
	does refuses_bad_requests ||
		fail 'What cannot be done is refused before anything is done: see struct dma_mmap_copy.'
}

leaves_the_memory() {
	does survives_a_copy
}

# The first copy is there for what the controller's own driver allocates then. Whether
# the engine runs is for the next step to say.
prepares_one_descriptor() {
	watch copy 4096 1 && watch copy 4096 1 || return
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
	source=$(grep '^mmap ' "$calls" | head -n 1 | recorded bus)
	[ $(($(echo "$prepared" | recorded to))) -ne $((source)) ] || fail \
		"The descriptor is: $prepared. At $source is the source, which mmap() shows
at offset 0: dmaengine_prep_dma_memcpy() takes the destination first, then the source." || return
	[ "$(called '^submit')" -eq 1 ] ||
		fail "The descriptor was prepared and not submitted: see dmaengine_submit()." || return
	asks_for_interrupts
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
	does copies_every_length ||
		fail "The engine moves whole 32-bit words, the CPU the one to three bytes behind the last.
Nothing else of the destination changes: see round_down()." || return
	may_witness || return 0
	watch copy 4097 1 || return
	[ "$(called '^prepare .* length=4096 ')" -eq 1 ] || fail \
		"Of 4097 bytes the engine is to copy 4096, and it had: $(grep '^prepare' "$calls")"
}

copies_at_once() {
	does copies_at_once
}

lives_long_enough() {
	does lives_long_enough
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
	dynamic_debug + || skip 'this kernel has no dynamic debug' || return
	copies 4096 1 && answered=0 || answered=1
	dynamic_debug -
	driver_said >"$work/told"
	[ "$answered" -eq 0 ] && tells "$channel" "the channel's name" &&
		tells virtual 'virtual addresses' && tells physical 'physical addresses' &&
		tells bus 'bus addresses' && tells 4096 'the length' && tells 'cookie [0-9]*' 'the cookie' &&
		tells 'ended with 0' 'how it ended'
}

# ---- an engine that misbehaves ----------------------------------------------

# stalled TIMEOUT FUNCTION: runs it with the engine stopped. Whatever comes of it,
# the engine works afterwards, and no copy is left; but what would then write to
# memory that is free, when it is spoilt, is not woken.
stalled() {
	engine_find "$channel" && waits_at_most "$1" || return
	jobs=''
	spoilt=''
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

# It waits in the driver, or waits no more.
has_settled() {
	is_in_the_driver || job_ended
}

# ends JOB: soon.
ends() {
	job=$1
	soon job_ended
}

works_again() {
	copies 4096 1 || lead 'This was the copy after one that went wrong: is the channel terminated then, and
the mutex unlocked?'
}

# The signal is one that a program may catch.
is_late() {
	start_copy
	soon engine_has_work || fail 'The transfer did not come to the engine.' || return
	soon has_settled
	! job_ended || {
		spoilt=yes
		fail "DMA_MMAP_COPY has returned, and the engine is not done: $(cat "$work/said").
See wait_for_completion_killable_timeout(). Nobody but the callback calls complete()."
	} || return
	kill -USR1 "$job"
	engine_wake
	ends "$job" || fail 'The engine is done, and DMA_MMAP_COPY still waits.' || return
	[ "$(cat "$work/said")" = ok ] ||
		fail "The engine answered late, but in time, and a signal came that does not kill:
DMA_MMAP_COPY said $(cat "$work/said"). See wait_for_completion_killable_timeout()."
}

# The same for a file's second copy: the first one's completion must not count.
is_late_again() {
	engine_start
	background "$program" hold copied
	jobs=$job
	soon grep -q ready "$work/said" || fail "hold copied said: $(cat "$work/said")" || return
	engine_stop
	kill -USR1 "$job"
	soon engine_has_work || fail 'The second copy of a file does not come to the engine.' || return
	soon has_settled
	! job_ended || {
		spoilt=yes
		fail "The second copy of a file has returned, and the engine is not done:
$(tail -n 1 "$work/said"). Is the completion set back for each, by reinit_completion()?"
	} || return
	engine_wake
	ends "$job" || fail 'The engine is done, and the second copy of a file still waits.' || return
	grep -qx 'copy: success' "$work/said" ||
		fail "The engine answered late, but in time, and of the second copy of a file came
$(tail -n 1 "$work/said")."
}

waits_for_a_late_engine() {
	stalled 60000 is_late && stalled 60000 is_late_again
}

# What the second asks of the engine, while the first is there. Its process has been
# told to the tracing before it is what we look for.
second_waits() {
	read -r job <"$instance/set_event_pid" && is_in_the_driver
}

takes_turns() {
	can_witness || return
	start_copy
	first=$job
	soon engine_has_work || fail 'The transfer did not come to the engine.' || return
	start_copy witness
	second=$job
	soon second_waits || fail 'A second copy did not come to the driver.' || return
	! grep -q 'submit: ' "$instance/trace" || fail \
		"Another file's copy was submitted while one was at the engine. To give up one ends all
of the channel: one at a time, by a mutex of the device's, see mutex_lock_killable()." || return
	engine_wake
	ends "$first" && ends "$second" || fail 'The engine is done, and one of two copies still waits.' || return
	[ "$(sort -u "$work/said" "$work/said-before")" = ok ] ||
		fail "Of two copies, one after the other: $(cat "$work/said-before" "$work/said")."
}

takes_one_at_a_time() {
	stalled 60000 takes_turns
}

# What nobody waits for must not be at the engine any more: its memory may be free.
left_the_engine() {
	! engine_has_work || {
		spoilt=yes
		fail "$1, and the engine still has the transfer, to memory that may be
somebody else's soon: see dmaengine_terminate_sync()."
	}
}

gives_up_a_copy() {
	start_copy witness
	ends "$job" || fail 'A copy by a dead engine waits without a bound, not timeout_ms.' || return
	left_the_engine 'DMA_MMAP_COPY has given up' || return
	[ "$(cat "$work/said")" = ETIMEDOUT ] ||
		fail "The engine was dead, and DMA_MMAP_COPY said $(cat "$work/said"), not ETIMEDOUT." || return
	gave_up || return
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

kills_one() {
	start_copy
	soon engine_has_work || fail 'The transfer did not come to the engine.' || return
	kill -KILL "$job"
	ends "$job" ||
		fail 'A killed process stays in the ioctl(): see wait_for_completion_killable_timeout().' ||
		return
	left_the_engine 'The process is gone'
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
	soon job_ended ||
		fail "After unbinding by sysfs, a process that held a $1 hangs: see suppress_bind_attrs." || return
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
	stays_while_held file && stays_while_held mapping && gives_everything_back
}

# ---- the steps, each needs the one before ------------------------------------

loads_and_goes() {
	check "the module loads and makes $device" loads &&
		check "it holds a channel" holds_channel &&
		check "it unloads, and loads again" gives_channel_back
}

shows_memory() {
	check "each page of a mapping is the memory's, at its offset" shows_each_page &&
		check "the mapping is the DMA API's, for the channel's device" goes_by_the_dma_api &&
		check "each open file's memory is its own" keeps_files_apart &&
		check "it comes zeroed, whoever had it before" gives_zeroed_memory
}

refuses_mappings() {
	check "mmap() refuses what is beyond the memory, private or executable" refuses_bad_mappings &&
		check "mprotect() and mremap() give no more than mmap()" refuses_changes
}

submits_one_descriptor() {
	check "the memory is still there after an ioctl()" leaves_the_memory &&
		check "one descriptor is submitted, from source to destination" prepares_one_descriptor
}

copies_all() {
	check "the engine runs each copy, and says so by one interrupt" runs_on_the_engine &&
		check "an engine that answers late is waited for" waits_for_a_late_engine &&
		check "any length is copied, and no other byte changes" copies_every_length &&
		check "one copy at a time is at the engine" takes_one_at_a_time &&
		check "processes and threads copy at once, each its own" copies_at_once &&
		check "the driver is silent, until dynamic debug has it tell each stage" is_silent_until_asked
}

keeps_and_frees() {
	check "the memory lives until its last mapping and descriptor are gone" lives_long_enough &&
		check "then it is freed, however the process has ended" is_freed
}

withstands() {
	check "a dead engine is given up, and the next copy works" gives_up_a_dead_engine &&
		check "a time-out is reported once, and many are no flood" reports_errors_once &&
		check "a killed process goes at once, and the one waiting behind it gets its copy" \
			lets_the_killed_go &&
		check "the module unloads, when nobody uses it any more" unloads
}

driver_begin
plan 9
step "the module loads, makes its device, holds a channel, and goes again" loads_and_goes
needs 1 step "each open file gets coherent memory, allocated for the channel's device" gets_coherent_memory
needs 2 step "mmap() shows the source, the destination, or any pages of them" shows_memory
needs 3 step "mmap() refuses what it must, and mprotect() and mremap() do, too" refuses_mappings
needs 4 step "ioctl() refuses what it must" refuses_bad_requests
needs 5 step "one descriptor for this file's memory is prepared and submitted" submits_one_descriptor
needs 6 step "the engine runs each copy, of any length, and one at a time" copies_all
needs 7 step "the memory lives until its last mapping and descriptor are gone" keeps_and_frees
needs 8 step "the driver withstands an engine that is late, or dead" withstands
finish

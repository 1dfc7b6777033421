#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What takes a driver to its limits, on the emulated Pi: an engine that stalls at random,
# and many threads. Its programs draw what they do from the seed.
#
# usage: stress.sh m2m|mmap|sg SEED COPIES THREADS OPERATIONS
#   COPIES      one after the other, with an engine that stalls
#   OPERATIONS  of each of the THREADS
#
# The books, of a copy that comes to the engine, which has 1 descriptor in labs 1 and 2, and in
# lab 3 as many as its report says:
#   prepared = submitted, all of them
#   issued = copies; in lab 3, where one can have several windows, more
#   interrupts = descriptors of the copies that succeeded: what was given up raised none
#   terminated = copies that timed out or were killed: nobody else's is ended
#   mapped = unmapped, allocated = freed, pinned = unpinned
# The channel's own memcpy_count and bytes_transferred stay 0: bcm2835-dma does not count.
set -eu
cd "$(dirname "$0")"

# shellcheck source=labs/lib/driver.sh
. ../lib/driver.sh

name=$1 seed=$2 copies=$3 threads=$4 operations=$5
ko=$(echo ./*.ko)
ko=${ko#./}
module=${ko%.ko}
case $name in
m2m) device=/dev/dma_m2m_misc_dev node=dma-m2m ;;
mmap) device=/dev/dma_mmap node=dma-mmap ;;
sg) device=/dev/dma_sg node=dma-sg ;;
esac

# ---- the books --------------------------------------------------------------

# "NAME COUNT" of each function that the witness knows, and of what the kernel counts.
counts() {
	echo 1 >/proc/sys/vm/stat_refresh
	awk '{ print $1, $2 }' "$tracing/kprobe_profile"
	awk '/^nr_foll_pin_/ { print substr($1, 13), $2 }' /proc/vmstat
	[ -z "${irq-}" ] || echo "interrupts $(our_interrupts)"
}

note() {
	counts >"$work/$1.counts"
}

# since MARK NAME: how many since then.
since() {
	counts | sort - "$work/$1.counts" | awk -v name="$2" '$1 == name { n = $2 - before; before = $2 }
		END { print n < 0 ? -n : n + 0 }'
}

# as_many MARK NAME OTHER: of both, since then.
as_many() {
	[ "$(since "$1" "$2")" -eq "$(since "$1" "$3")" ] ||
		fail "$2 $(since "$1" "$2") times, $3 $(since "$1" "$3") times."
}

# exactly MARK NAME COUNT WHAT
exactly() {
	[ "$(since "$1" "$2")" -eq "$3" ] || fail "$2 $(since "$1" "$2") times, with $3 $4."
}

balanced() {
	as_many "$1" prepare submit && as_many "$1" map unmap && as_many "$1" map_table unmap_table &&
		as_many "$1" acquired released
}

# ---- programs ---------------------------------------------------------------

# program WORD...: what it said is in $work/said; its last line, of NAME=COUNT, is read.
program() {
	{ "$@" >"$work/said" 2>&1 && ended=0 || ended=$?; } 2>/dev/null
	[ "$ended" -eq 0 ] || fail "\"$*\" ended with status $ended: $(head -n 5 "$work/said")" || return
	echo "# $*: $(cat "$work/said")"
}

# said NAME: its count.
said() {
	sed -n "s/.*\<$1=\([0-9]*\).*/\1/p" "$work/said"
}

begins() {
	can_witness && note insmod && loads && holds_channel
}

# ---- an engine that stalls ----------------------------------------------------

# stalls COPIES [close]
stalls() {
	engine_find "$channel" || return
	note stalls
	engine_stopped=unknown
	program ./stalls "$name" "$seed" "$1" "$engine" "$bit" ${2+"$2"}
}

survives_stalls() {
	stalls "$copies" || return
	exactly stalls interrupts "$(said descriptors)" 'descriptors of copies that succeeded' &&
		exactly stalls terminate $(($(said dead) + $(said killed))) 'copies that were given up' &&
		{ [ "$name" = sg ] || exactly stalls issue "$copies" 'copies'; } &&
		[ $(($(said copied) + $(said timed_out) + $(said killed))) -eq "$copies" ] &&
		balanced stalls
}

# Of a copy that the driver gave up as it ended, the interrupt may have come, or not.
survives_close_calls() {
	stalls $((copies / 10)) close || return
	[ "$(since stalls interrupts)" -ge "$(said descriptors)" ] &&
		[ "$(since stalls interrupts)" -le "$(since stalls prepare)" ] ||
		fail "$(since stalls interrupts) interrupts, with $(said descriptors) descriptors of copies that succeeded,
and $(since stalls prepare) of all." || return
	balanced stalls
}

# ---- the module is asked to go ------------------------------------------------

# copies_in_background: until the engine, which is stopped, has it.
copies_in_background() {
	engine_stop
	background ./stalls "$name"
	soon engine_has_work || fail 'The copy did not come to the engine.'
}

says() {
	soon job_ended || fail 'The copy does not end.' || return
	[ "$(cat "$work/said")" = "$1" ] || fail "The copy says \"$(cat "$work/said")\", not \"$1\"."
}

refuses_to_go() {
	waits_at_most 60000 && copies_in_background || return
	! rmmod "$module" 2>/dev/null || fail 'The module went, under a copy that the engine had.' || return
	engine_wake
	says ok && gives_everything_back
}

goes_after_a_kill() {
	loads && waits_at_most 60000 && copies_in_background || return
	kill -KILL "$job"
	soon rmmod "$module" 2>/dev/null || fail 'The program was killed, and the module does not go.' || return
	nothing_happens
}

# Whatever was parked when the module went: with the engine awake, it would run now.
nothing_happens() {
	! engine_has_work || fail 'The module is gone, and the engine still has its transfer.' || return
	engine_wake
	loads && holds_channel && waits_at_most 60000 || return
	note again
	background ./stalls "$name"
	says ok && exactly again interrupts "$(since again prepare)" descriptors
}

goes_after_a_time_out() {
	waits_at_most 1 || return
	engine_stop
	background ./stalls "$name"
	says ETIMEDOUT && gives_everything_back && nothing_happens
}

asked_to_go() {
	engine_find "$channel" &&
		check "with a copy at the engine it stays, the copy succeeds, then it goes" refuses_to_go &&
		check "it goes as soon as who copied is killed" goes_after_a_kill &&
		check "it goes after a time-out, while the engine still stands" goes_after_a_time_out
}

# ---- many threads -----------------------------------------------------------

# storm SEED OPERATIONS
storm() {
	program ./storm "$name" "$1" "$threads" "$2"
}

schedule() {
	storm "$1" 2 >"$work/storm" || return
	sed -n 's/.* schedule=//p' "$work/said"
}

replays() {
	waits_at_most 60000 && first=$(schedule "$seed") && again=$(schedule "$seed") &&
		other=$(schedule $((seed + 1))) || fail "$(cat "$work/said")" || return
	case $first in
	"$other") ;;
	"$again") return ;;
	esac
	fail "Twice the same seed, and another: $first, $again, $other."
}

memory_free() {
	echo 3 >/proc/sys/vm/drop_caches
	sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo
}

# Only who was killed gave up. In lab 3 a copy can have many descriptors, or none.
right_interrupts() {
	raised=$(since storm interrupts) prepared=$(since storm prepare) ended=$(since storm terminate)
	[ "$ended" -le "$(said forks)" ] ||
		fail "$ended copies were given up, and only $(said forks) programs may have been killed." || return
	least=$((prepared - ended))
	[ "$name" != sg ] || least=0
	{ [ "$raised" -le "$prepared" ] && [ "$raised" -ge "$least" ]; } ||
		fail "$prepared descriptors, of which $ended were given up, and $raised interrupts."
}

# What has ended is not given back at once: so it is asked for again.
memory_is_back() {
	lost=$((free - $(memory_free)))
	[ "$lost" -le 8192 ]
}

# A kernel that finds leaks, and is slow to give memory back, does it itself.
keeps_memory() {
	[ -e /sys/kernel/debug/kmemleak ] || soon memory_is_back
}

# What the kernel keeps for later it keeps once; a driver that leaks does so each time.
survives_a_storm() {
	waits_at_most 60000 || return
	for _ in 1 2 3; do
		free=$(memory_free)
		note storm
		storm "$seed" "$operations" && right_interrupts && balanced storm || return
		! keeps_memory || return 0
	done
	fail "Three times, $((threads * operations)) operations used up memory: $lost KiB at last."
}

ends() {
	gives_everything_back && as_many insmod alloc free && balanced insmod
}

driver_begin
plan 7
step "$name: the module loads, and holds a channel" begins
needs 1 step "$name: $copies copies, and the engine stalls at random ones: the books are right" survives_stalls
needs 2 step "$name: the engine wakes when the driver may be about to give up" survives_close_calls
needs 3 step "$name: while the engine stands, the module is asked to go" asked_to_go
needs 4 step "$name: a seed replays the same operations, another does not" replays
needs 5 step "$name: $threads threads, $operations operations each: every byte is right" survives_a_storm
needs 6 step "$name: the module unloads, and all is given back" ends
finish

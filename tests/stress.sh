#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each driver under stress, on an emulated Pi whose processors run side by side: copies by
# an engine that stalls at random ones, then 32 threads, with signals, fork(), munmap()
# and close() at random. And drivers with a mistake, of each kind that this must find.
#
# usage: tests/stress.sh
#        tests/stress.sh one NAME LAB SEED COPIES OPERATIONS
#                  one driver: a solution, or the wrong answer in $work/NAME; into its log there
#
# Environment:
#   SEED=N    replays what was done with that seed, which is printed
#   STRESS=N  N times as much: 10 for 10,000 copies and 8,000 operations a driver
#   KERNEL    what to run on: see pi/kernel. On debug and on races, a fifth is done
set -eu
cd "$(dirname "$0")/.."

guest=tests/guest/stress
threads=32
scale=$((50 * ${STRESS:-1}))
case ${KERNEL-} in
debug | races) scale=$((scale / 5)) ;;
esac
seed=${SEED:-$(od -An -N 3 -t u4 /dev/urandom | tr -d ' ')}
mistakes='lab-1-no-mutex lab-1-never-terminates lab-1-never-reinits lab-2-frees-in-flush lab-3-not-unmapped'

device_of() {
	case $1 in
	1) echo m2m ;;
	2) echo mmap ;;
	3) echo sg ;;
	esac
}

# one NAME LAB SEED COPIES OPERATIONS: with as many processors as are likely to be here.
one() {
	ANSWER='' SOLUTION=1
	[ ! -d "$work/$1" ] || ANSWER=$work/$1 SOLUTION=''
	export ANSWER SOLUTION
	folder=$(pi/lab build "$2") || return
	# shellcheck disable=SC2046 # a list of words
	pi/run -m -K -s build/snapshots ${KERNEL:+-k "$KERNEL"} -t $((600 * ${STRESS:-1})) \
		-l "build/stress-$1-console.log" -a 'iomem=relaxed maxcpus=2' $(find labs/lib -type f ! -name '*.c' -printf '%p=%p ') \
		$(find "$folder" -name '*.ko' -printf '+%p=labs/stress/%f ') "$guest/stress.sh=labs/stress/stress.sh" \
		"$work/storm=labs/stress/storm" "$work/stalls=labs/stress/stalls" \
		-- /labs/stress/stress.sh "$(device_of "$2")" "$3" "$4" "$threads" "$5"
}

if [ "${1-}" = one ]; then
	shift
	one "$@" >"$work/$1.log" 2>&1 || true
	exit
fi

# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/faults.sh
. tests/lib/faults.sh
# shellcheck source=tests/lib/answer.sh
. tests/lib/answer.sh

builds() {
	make -s build/referee
	for program in storm stalls; do
		aarch64-linux-gnu-gcc -O2 -Wall -Wextra -Werror -static -pthread -Ilabs/lab-2-dma-mmap/driver \
			-Ilabs/lab-3-sg/driver -o "$work/$program" "$guest/$program.c" "$guest/copies.c" \
			>"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
	done
	for mistake in $mistakes; do
		answer "$mistake" || return
	done
}

# Two at a time: each has two processors, and is seldom busy on both.
run_all() {
	for lab in 3 2 1; do
		echo "$lab $lab $seed $((20 * scale)) $(((scale + 1) / 2))"
	done >"$work/list"
	for mistake in $mistakes; do
		lab=${mistake#lab-}
		echo "$mistake ${lab%%-*} 1 200 10"
	done >>"$work/list"
	export work
	xargs -L 1 -P 2 tests/stress.sh one <"$work/list"
}

# ---- what came of it --------------------------------------------------------

# trouble NAME: what it said that is no success.
trouble() {
	grep -v '^ok \|^    ok \|^==>\|^KTAP\|^1\.\.\|^# \./' "$work/$1.log" || true
}

# Its programs tell what they did.
passes() {
	grep '^# \./' "$work/$lab.log" || true
	[ -z "$(trouble "$lab")" ] || fail "SEED=$seed, and see build/stress-$lab-console.log:
$(trouble "$lab")" || return
	[ "$(grep -c '^ok ' "$work/$lab.log")" -eq 7 ] || fail "There are steps missing: $(cat "$work/$lab.log")"
}

# caught NAME WORDS: of what it said, a line has them.
caught() {
	trouble "$1" | grep -qE -- "$2" || fail "\"$2\" was to be said, and this was:
$(trouble "$1" | head -n 5)"
}

no_mutex() { caught lab-1-no-mutex 'bytes were copied|copy: '; }
never_terminates() { caught lab-1-never-terminates 'still has the transfer'; }
never_reinits() { caught lab-1-never-reinits 'the copy gave|the program is gone|bytes were copied'; }
frees_in_flush() { caught lab-2-frees-in-flush 'in dma_mmap_|bytes were copied'; }
not_unmapped() { caught lab-3-not-unmapped 'unmap_table'; }

# What the races kernel is for: tests/guest/faults.c makes one.
sees_data_races() {
	builds_faults "$(pi/kernel races)" || return
	# shellcheck disable=SC2046 # a list of words
	pi/run -m -K -k races -t 300 -a maxcpus=2 -l build/stress-races-console.log \
		$(find labs/lib -type f ! -name '*.c' -printf '%p=%p ') "$work/faults/faults.ko=labs/faults/faults.ko" \
		tests/guest/faults.sh=labs/faults/faults.sh -- /labs/faults/faults.sh counted_by_two >"$work/counted_by_two.log" 2>&1 || true
	caught counted_by_two 'BUG: KCSAN: data-race in counts'
}

echo "# SEED=$seed: $((20 * scale)) copies by a stalling engine, $threads threads of $(((scale + 1) / 2)) operations, a driver"
races=0
[ "${KERNEL-}" != races ] || races=1
plan $((9 + races))
step "the programs build" builds
[ "$passed" -eq 0 ] || run_all
for lab in 1 2 3; do
	needs 1 step "lab $lab withstands a stalling engine, and $threads threads" passes
done
needs 1 step "no mutex: the threads get each other's bytes" no_mutex
needs 1 step "a transfer that is not terminated is found at the engine" never_terminates
needs 1 step "an early end, by a completion that is not set back, is found" never_reinits
needs 1 step "memory that is freed too early is found" frees_in_flush
needs 1 step "a mapping that is not undone is found" not_unmapped
[ "$races" -eq 0 ] || step "two that count at once are found" sees_data_races
finish

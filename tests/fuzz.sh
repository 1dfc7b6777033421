#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Fuzzing: calls with right, nearly right and wild arguments, by a user without rights,
# at the three devices on the emulated Pi. tests/guest/fuzz.c knows what each has to do.
# It is shown to find what it should: wrong answers of every kind.
#
# Environment:
#   OPERATIONS=N   how many for each device (default 100000)
#   SEED=N         what they are drawn from (default 1): the same ones again
#   KERNEL=NAME    what to run on: see pi/kernel
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/answer.sh
. tests/lib/answer.sh

operations=${OPERATIONS:-100000}
seed=${SEED:-1}

# "LAB DEVICE CALL": the call that is the device's own.
devices='1 /dev/dma_m2m_misc_dev write
2 /dev/dma_mmap ioctl
3 /dev/dma_sg ioctl'

# "NAME WORDS": wrong answers, and what is said of each.
planted='lab-1-keeps-lock-on-error nothing happened for
lab-1-keeps-stale-bytes the bytes of an earlier one
lab-2-bus-as-page-frame mmap gave success, and not ENXIO
lab-2-forgets-mprotect and not EACCES
lab-2-frees-in-ioctl mm/vmalloc.c
lab-2-never-frees of memory are gone
lab-2-rounds-up The ioctl() left other bytes
lab-3-offset-ignored of the destination is wrong
lab-3-short-pin-stays left over: pins
lab-3-tags-ignored ioctl gave'

builds() {
	aarch64-linux-gnu-gcc -O2 -Wall -Wextra -Werror -static -Ilabs/lab-2-dma-mmap/driver \
		-Ilabs/lab-3-sg/driver -o "$work/fuzz" tests/guest/fuzz.c 2>"$work/out" ||
		fail "$(cat "$work/out")" || return
	make -s build/referee
	for lab in 1 2 3; do
		folder=$(SOLUTION=1 pi/lab build "$lab" 2>"$work/out") || fail "$(cat "$work/out")" || return
		find "$folder" -name '*.ko' -exec cp {} "$work" \;
	done
}

# device_of LAB
device_of() {
	echo "$devices" | sed -n "s/^$1 \([^ ]*\) .*/\1/p"
}

# fuzz LOG DEVICE OPERATIONS SEED [FOLDER]: the drivers are the FOLDER's, or the solutions.
fuzz() {
	log=$work/$1.log console=$work/$1.console from=${5-$work}
	set -- "$2" "$3" "$4"
	pi/run ${KERNEL:+-k "$KERNEL"} -s build/snapshots -a 'maxcpus=2 swiotlb=force' -t 3600 \
		-l "$console" "$work/fuzz=fuzz/fuzz" tests/guest/fuzz.sh=fuzz/fuzz.sh \
		"+$from/dma_m2m.ko=fuzz/dma_m2m.ko" "+$from/dma_mmap_driver.ko=fuzz/dma_mmap_driver.ko" \
		"+$from/dma_sg_driver.ko=fuzz/dma_sg_driver.ko" -- /fuzz/fuzz.sh "$@" >"$log" 2>&1 </dev/null
}

# ---- what the solutions do ----------------------------------------------------

# counted CALL PATTERN: how often its results were like that.
counted() {
	sed -n "s/^$1: //p" "$log" | grep -oE "[0-9]+ $2" | awk '{ n += $1 } END { print n + 0 }'
}

# A tenth of them at least succeeds, and a twentieth at least fails.
holds_up() {
	fuzz "lab-$lab" "$device" "$operations" "$seed" || fail "$(tail -n 5 "$log")
Again: SEED=$seed OPERATIONS=$operations tests/run fuzz" || return
	right=$(counted "$call" success)
	wrong=$(counted "$call" '[A-Z]+')
	[ "$right" -ge $((operations / 10)) ] && [ "$wrong" -ge $((operations / 20)) ] ||
		fail "Of $operations operations $right $call() succeeded, and $wrong failed: $(cat "$log")" || return
	sed 's/^/    # /' "$log"
}

digest() {
	fuzz "$1" /dev/dma_sg 2000 "$2" || fail "$(tail -n 3 "$log")" || return
	digest=$(grep -o 'digest .*' "$log")
}

replays() {
	digest once 7 || return
	first=$digest
	digest again 7 || return
	[ "$digest" = "$first" ] || fail "The seed is the same: $first, and then $digest." || return
	digest other 8 || return
	[ "$digest" != "$first" ] || fail "The seeds are two, and do the same: $digest."
}

# ---- what wrong answers do -------------------------------------------------------

# most_for NAME: operations. What is found when all are done takes no more than it has to.
most_for() {
	case $1 in
	lab-3-short-pin-stays) echo 2000 ;;
	*) echo 20000 ;;
	esac
}

# Built one after the other, for they share a folder; what hangs is waited for by the side.
fuzz_planted() {
	while read -r name words <&3; do
		answer "$name" || return
		folder=$(ANSWER=$answer pi/lab build "$lab" 2>"$work/out") || fail "$(cat "$work/out")" || return
		mkdir "$work/planted-$name"
		cp "$work"/*.ko "$work/planted-$name"
		find "$folder" -name '*.ko' -exec cp {} "$work/planted-$name" \;
		rm -rf "$folder"
		fuzz "$name" "$(device_of "$lab")" "$(most_for "$name")" 1 "$work/planted-$name" &
		[ "$name" = lab-1-keeps-lock-on-error ] || wait $! || true
	done 3<"$work/planted"
	wait
}

is_found() {
	grep -qF -- "$words" "$work/$name.log" || fail "Not \"$words\", but: $(tail -n 4 "$work/$name.log")"
}

echo "$planted" >"$work/planted"
echo "$devices" >"$work/devices"
plan $((1 + $(wc -l <"$work/devices") + 2 + $(wc -l <"$work/planted")))
step "fuzzer and drivers can be built" builds
while read -r lab device call <&3; do
	needs 1 step "lab $lab: $operations operations from seed $seed, and each does what it has to" holds_up
done 3<"$work/devices"
needs 1 step "the same seed does the same, another one something else" replays
needs 1 step "wrong answers can be built, and fuzzed" fuzz_planted
while read -r name words <&3; do
	needs 6 step "$name: found" is_found
done 3<"$work/planted"
finish

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The debug kernel has the options that it was told, sees each kind of mistake, and sees
# none in the labs' solutions.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/faults.sh
. tests/lib/faults.sh

# "MISTAKE REPORT": what tests/guest/faults.c does, and what is said of it. A line with a
# name alone begins another guest: lockdep switches itself off when it has seen one, or what
# KASAN reports; and after an oops nothing can be loaded.
mistakes() {
	cat <<-'EOF'
		guest
		locks_in_both_orders    WARNING: possible circular locking dependency
		warning                 WARNING: .*CPU
		index_beyond            UBSAN: array-index-out-of-bounds in
		shift_beyond            UBSAN: shift-out-of-bounds in
		beyond_the_end          BUG: KASAN: slab-out-of-bounds in beyond_the_end
		null_pointer            Unable to handle kernel
		guest
		never_freed             bytes, allocated in never_freed\(\)
		never_unmapped          1 of its mappings for DMA are not
		lock_kept               WARNING: .* still has locks held
		used_after_free         BUG: KASAN: (slab-)?use-after-free in used_after_free
		page_freed_twice        page dumped because: VM_BUG_ON_PAGE
		guest
		mapping_not_checked     DMA-API: .*device driver failed to check map error
		unmapped_otherwise      DMA-API: .*device driver frees DMA memory with different direction
		unmapped_twice          DMA-API: .*device driver tries to free DMA memory it has not allocated
		lock_not_initialised    INFO: trying to register non-static key
		freed_twice             BUG: KASAN: double-free
		table_without_pages     kernel BUG at
		guest
		list_deleted_twice      list_del corruption
		timer_freed             ODEBUG: free active
		reference_after_last    refcount_t: addition on 0
		unlocked_twice          WARNING: bad unlock balance detected
		beyond_the_stack        BUG: KASAN: stack-out-of-bounds in beyond_the_stack
		cache_destroyed_in_use  BUG dma-labs \(.*\): Objects remaining
		guest
		waits_for_ever          INFO: task insmod:.* blocked for more than
		list_without_rcu        WARNING: suspicious RCU usage
		sleeps_under_spinlock   BUG: sleeping function called from invalid context
		fresh
		page_written_after_free pagealloc: (memory corruption|single bit error)
	EOF
}

# ---- the options ---------------------------------------------------------------

# not_in CONFIG FRAGMENT: the fragment's lines that the kernel has not, and what it has
# that they say it has not.
not_in() {
	{
		grep '^CONFIG_' "$2" | grep -vxF -f "$1"
		sed -n 's/^# \(CONFIG_.*\) is not set$/^\1=/p' "$2" | grep -f - "$1"
	} >"$work/missing" || true
}

has_each_option() {
	folder=$(pi/kernel debug) || fail 'There is no debug kernel: see above.' || return
	not_in "$folder/headers/.config" pi/debug.config
	[ ! -s "$work/missing" ] || fail "It has not: $(cat "$work/missing")"
}

misses_an_option() {
	{ cat pi/debug.config && echo CONFIG_KCSAN=y && echo '# CONFIG_KASAN is not set'; } >"$work/more"
	not_in "$folder/headers/.config" "$work/more"
	printf '%s\n' CONFIG_KCSAN=y CONFIG_KASAN=y | cmp -s - "$work/missing" ||
		fail "Of two options that it has otherwise it found: $(cat "$work/missing")"
}

# named FILE: the options that it has a line of.
named() {
	sed -n 's/^\(# \)\{0,1\}\(CONFIG_[A-Z0-9_]*\)[= ].*/\2/p' "$1" | sort
}

# What pi/races.config says of an option counts, and all else is as in pi/debug.config;
# wherever that is.
races_differs() {
	mkdir "$work/races"
	cp -r pi "$work/races"
	"$work/races/pi/debug-kernel" races -o >"$work/options"
	{
		named "$work/options" | uniq -d
		grep CONFIG_ pi/races.config | grep -vxF -f "$work/options"
		grep CONFIG_ pi/debug.config | grep -vxF -f "$work/options" >"$work/changed"
		named "$work/changed" >"$work/names"
		named pi/races.config | comm -13 - "$work/names"
	} >"$work/out" || true
	[ "$(wc -l <"$work/names")" -gt 5 ] || fail "It is told nothing else: $(cat "$work/names")" || return
	[ ! -s "$work/out" ] || fail "Wrong are: $(cat "$work/out")"
}

# ---- the mistakes ----------------------------------------------------------------

builds_mistakes() {
	builds_faults "$folder"
}

# in_guest MISTAKE...: from a snapshot, as a lab's tests; what takes a Pi that boots, there.
# Where there is less memory, less is looked through for what is lost.
in_guest() {
	# shellcheck disable=SC2086 # an option and its folder, or nothing
	pi/run -k debug $from -a 'maxcpus=1 mem=256M' -t 300 -l "$work/log" -K \
		labs/lib/ktap.sh=t/lib/ktap.sh labs/lib/kernel-log.sh=t/lib/kernel-log.sh \
		labs/lib/kernel-reports=t/lib/kernel-reports labs/lib/leaks.sh=t/lib/leaks.sh \
		"+$work/faults/faults.ko=t/faults/faults.ko" \
		tests/guest/faults.sh=t/faults/faults.sh -- /t/faults/faults.sh "$@" \
		>"$work/out" 2>"$work/err" </dev/null || true
}

# next_guest MISTAKE: the mistakes from that one to the end of its list are made in it.
next_guest() {
	made=0
	# shellcheck disable=SC2046 # a list of words
	in_guest $(awk -v first="$1" '$1 == first { on = 1 } on && NF == 1 { exit } on { print $1 }' "$work/mistakes")
}

# The step that makes it fails, the ones beside it do not, and its hint or the log below
# has the words.
is_seen() {
	[ "$made" -ge 0 ] || next_guest "$name"
	made=$((made + 2))
	results=$(sed -n 's/^\(ok [0-9]*\|not ok [0-9]*\) .*/\1/p' "$work/out" | sed -n "$((made - 1)),$((made + 1))p" | paste -sd ,)
	[ "$results" = "ok $((made - 1)),not ok $made,ok $((made + 1))" ] ||
		fail "Not the one step of three failed: $results. $(tail -n 3 "$work/err")" || return
	sed -n "/^not ok $made /,/^ok/p" "$work/out" | grep -qE -- "$report" ||
		fail "It was seen as: $(sed -n "/^not ok $made /,/^ok/s/^# //p" "$work/out" | head -n 3)"
}

# ---- the labs --------------------------------------------------------------------

passes() {
	FRESH=1 KERNEL=debug SOLUTION=1 make -s test LAB="$lab" >"$work/out" 2>&1 ||
		fail "$(grep -A 3 '^not ok' "$work/out" || tail -n 5 "$work/out")" || return
	! grep '# SKIP\|warning:' "$work/out" >"$work/skipped" || fail "$(cat "$work/skipped")"
}

mistakes >"$work/mistakes"
plan $((4 + $(grep -c ' ' "$work/mistakes") + 3))
step "the debug kernel has each option of pi/debug.config" has_each_option
needs 1 step "one that it has not is found" misses_an_option
step "the races kernel is told the same, but for what pi/races.config says" races_differs
needs 1 step "the module that makes mistakes can be built" builds_mistakes
while read -r name report <&3; do
	case $name in
	guest) made=-1 from='-s build/snapshots' ;;
	fresh) made=-1 from='' ;;
	*) needs 4 step "$name: seen, in the step that does it" is_seen ;;
	esac
done 3<"$work/mistakes"
for lab in 1 2 3; do
	needs 1 step "lab $lab's solution passes its tests, and the kernel sees no mistake" passes
done
finish

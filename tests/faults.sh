#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What the labs' drivers need fails, each time that they need it: they say so, leave
# nothing behind, and work the next time. See tests/guest/failing.sh for what fails; here,
# too, are drivers that do not withstand it, and are found out.
#
# usage: tests/faults.sh [LAB...]     all labs, or 1 alone
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

# Mistakes: "NAME|LAB|STEPS|WORDS", and below it the sed script that makes it of lab's
# solution. Of those steps in tests/guest/failing.sh the last one says the words.
mistakes() {
	cat <<-'EOF'
		a channel that may come is not waited for|2|waits_for_provider|does not return -EPROBE_DEFER
		s/PTR_ERR(dmm->chan)/-ENODEV/
		the channel stays when probe() fails later|1|probe|leaves a channel in use
		s/return devm_add_action_or_reset(m2m->dev, dma_m2m_release_chan, m2m->chan)/return 0/
		an error that tells the program something else|2|open|fails with EPERM
		/dma_mmap_alloc(to_dma_mmap(file))/,/^}/s/-ENOMEM/-EPERM/
		memory stays when the next allocation fails|2|open leaves_nothing|bytes, allocated in dma_mmap_
		/if (!f->buf) {/,/}/{/kfree/d}
		the source stays pinned when the destination is not|3|ioctl|leaves pages pinned
		s/goto unpin_src/return ret/
		no look at the mapping's error|1|waits_for_provider|DMA-API: .*failed to check map error
		/if (dma_mapping_error(dma_dev, m2m->dst))/,/^	}/d
		the source stays mapped when the destination is not|1|waits_for_provider mappings|leaves memory mapped
		/dma_mapping_error(dma_dev, m2m->dst)/,/}/{/dma_unmap/d}
		no descriptor, and it is used|1|waits_for_provider descriptors|Unable to handle kernel
		/if (!desc)/,+1d
		pieces stay in the queue when one is not described|3|waits_for_provider descriptors|leaves transfers in the queue
		/if (dma_submit_error(cookie)) {/,/}/{/terminate/d}
		a submission's error is ignored|2|waits_for_provider submissions|the copy fails
		/^static int dma_mmap_transfer/,/^}/s/dma_submit_error(cookie)/0/
		an error of the engine's is taken for success|2|waits_for_provider transfers|the copy fails
		/if (!ret && dma_mmap_failed/,+1d
		an error is kept for the next copy|2|waits_for_provider transfers|the copy fails without it
		s/if (!ret && dma_mmap_failed(f, cookie))/static bool was, old; old = was; was = dma_mmap_failed(f, cookie); if (!ret \&\& (old || was))/
		one of many pieces failed, and nobody asks|3|waits_for_provider transfers|the copy fails
		s/w->failed = true/w->failed = false/
	EOF
}

# compile FOLDER: the module in it, for the debug kernel.
compile() {
	pi/kbuild "$folder" "$folder/headers" M="$1" >"$work/make" 2>&1 || fail "$(tail -n 5 "$work/make")"
}

# driver LAB FOLDER [SED]: the solution's module; with a mistake, SED.
driver() {
	mkdir "$2"
	find "labs/lab-$1"-* -path '*app*' -prune -o \( -name Kbuild -o -name '*.h' \) -exec cp {} "$2" \;
	find "solutions/lab-$1"-* -name '*.c' -exec cp {} "$2" \;
	cp "$2"/*.c "$work/right.c"
	sed -i "${3-}" "$2"/*.c
	[ -z "${3-}" ] || ! cmp -s "$2"/*.c "$work/right.c" || fail "The solution has not what this changes: $3" || return
	compile "$2"
}

builds() {
	make -s build/referee
	folder=$(pi/kernel debug) || fail 'There is no debug kernel: see above.' || return
	mkdir "$work/provider"
	cp tests/guest/provider.c "$work/provider"
	echo 'obj-m := provider.o' >"$work/provider/Kbuild"
	compile "$work/provider" || return
	aarch64-linux-gnu-gcc -O2 -Wall -Wextra -static -s -Ilabs/lab-2-dma-mmap/driver \
		-Ilabs/lab-3-sg/driver -o "$work/nth" tests/guest/nth.c 2>"$work/make" ||
		fail "$(cat "$work/make")" || return
	for lab in $labs; do
		driver "$lab" "$work/lab-$lab" || return
	done
}

# in_guest FOLDER LAB [STEP...]: from a snapshot, the module in FOLDER; the results are in
# FOLDER/out. With swiotlb=512,force each mapping takes one of a few bounce buffers; by
# slub_debug, every allocation may fail but those that the checkers of mappings and of
# memory need: for want of one they switch themselves off.
# The checker of memory looks at less of it where there is less.
in_guest() {
	into=$1
	shift
	set -- "+$(echo "$into"/*.ko)=t/faults/driver.ko" -- /t/faults/failing.sh "$@"
	for part in labs/lib/*.sh labs/lib/kernel-reports; do
		set -- "$part=t/lib/${part##*/}" "$@"
	done
	pi/run -k debug -s build/snapshots -t 1200 -l "$into/log" -K -d /t/faults \
		-a 'swiotlb=512,force maxcpus=1 mem=256M slub_debug=A;-,radix_tree_node,kmemleak_object,kmemleak_scan_area' \
		"$work/nth=t/faults/nth" \
		"$work/provider/provider.ko=t/faults/provider.ko" \
		tests/guest/failing.sh=t/faults/failing.sh "$@" >"$into/out" 2>"$into/err" </dev/null || true
}

survives() {
	in_guest "$work/lab-$lab" "$lab"
	sed -n 's/^ *# lab/# lab/p' "$work/lab-$lab/out"
	! grep -q '^not ok\|# SKIP' "$work/lab-$lab/out" || fail "$(grep -A 4 '^not ok\|# SKIP' "$work/lab-$lab/out")" || return
	! grep -v '^==>' "$work/lab-$lab/err" >"$work/err" || fail "$(cat "$work/err")"
}

# The last step alone fails, with the words; or it is the kernel's end, with them.
is_found_out() {
	driver "$lab" "$work/mistake-$n" "$script" || return
	# shellcheck disable=SC2086 # a list of words
	in_guest "$work/mistake-$n" "$lab" $steps
	results=$(sed -n 's/^\(ok\|not ok\) [0-9].*/\1/p' "$work/mistake-$n/out" | paste -sd ,)
	! grep -q '^pi/run: .* panicked' "$work/mistake-$n/err" || results="${results:+$results,}not ok"
	[ "$results" = "$(echo "$steps" | sed 's/[^ ]* /ok,/g; s/[a-z_]*$/not ok/')" ] ||
		fail "Of $steps not just the last failed: $results. $(tail -n 3 "$work/mistake-$n/err")" || return
	sed -n '/^not ok/,$p' "$work/mistake-$n/out" | cat - "$work/mistake-$n/err" | grep -qE -- "$words" ||
		fail "It was found out by: $(sed -n 's/^# //p' "$work/mistake-$n/out" | head -n 5)"
}

[ $# -gt 0 ] || set -- 1 2 3
labs=$*
mistakes | awk -F '|' -v labs="$labs" 'NR % 2 { on = index(labs, $2) } on' >"$work/mistakes"
plan $((1 + $# + $(wc -l <"$work/mistakes") / 2))
step "the provider that fails, and what orders faults, can be built" builds
for lab in $labs; do
	needs 1 step "lab $lab's driver survives each fault" survives
done
n=0
while IFS='|' read -r name lab steps words <&3 && IFS= read -r script <&3; do
	n=$((n + 1))
	needs 1 step "found out: $name" is_found_out
done 3<"$work/mistakes"
finish

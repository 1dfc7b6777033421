#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What of each driver its tests and the fuzzer reach, line by line, by gcov on the debug
# kernel: nine tenths of it at least. What is not reached stands in tests/not-reached,
# with the reason; and nothing else does.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

operations=5000

# "LAB MODULE DEVICE"
labs='1 dma_m2m /dev/dma_m2m_misc_dev
2 dma_mmap_driver /dev/dma_mmap
3 dma_sg_driver /dev/dma_sg'

# The solution, to be counted.
prepare() {
	counting=$work/counting-$lab
	cp -r solutions/lab-"$lab"-* "$counting"
	kbuild=$(cd labs/lab-"$lab"-* && find . -name Kbuild)
	cp labs/lab-"$lab"-*/"$kbuild" "$counting/$kbuild"
	echo 'GCOV_PROFILE := y' >>"$counting/$kbuild"
	aarch64-linux-gnu-gcc -O2 -Wall -Wextra -Werror -static -Ilabs/lab-2-dma-mmap/driver \
		-Ilabs/lab-3-sg/driver -o "$work/fuzz" tests/guest/fuzz.c 2>"$work/out" || fail "$(cat "$work/out")"
}

# As pi/lab runs the tests, and then the fuzzer.
run_all() {
	APPEND='maxcpus=2 swiotlb=512,force' pi/lab run "$lab" "$work/fuzz=fuzz/fuzz" \
		tests/guest/coverage.sh=fuzz/coverage.sh -- /fuzz/coverage.sh \
		"$module" "$device" "$operations" 1 >"$work/said" 2>&1 </dev/null ||
		fail "$(grep -A 3 '^not ok\|^FOUND' "$work/said" || tail -n 5 "$work/said")"
}

# gcov's text is "COUNT:LINE:SOURCE"; what was never executed has ##### for its count.
counts() {
	export ANSWER="$work/counting-$lab" KERNEL=debug
	prepare && run_all || return
	notes=$(find "$(pi/lab build "$lab" 2>"$work/out")" -name "$module.gcno")
	sed '1,/^counted: /d' "$work/said" | base64 -d >"${notes%.gcno}.gcda" 2>"$work/out" &&
		[ -s "${notes%.gcno}.gcda" ] &&
		aarch64-linux-gnu-gcov -t -o "${notes%/*}" "${notes%.gcno}.gcda" 2>>"$work/out" |
		sed -n "/:Source:.*$module\.c\$/,/:Source:.*\.h\$/p" >"$work/lab-$lab"
	[ -s "$work/lab-$lab" ] || fail "gcov gave nothing: $(cat "$work/out")"
}

# missed TEXT: "LAB FUNCTION: LINE" of each line that was never executed.
missed() {
	awk -v lab="$lab" '
	{ count = $1; line = $0; sub(/^[^:]*:[^:]*:/, "", line) }
	line ~ /^[a-z].*\(/ && line !~ /;$/ { name = line; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
	count ~ /^#####/ { sub(/^[ \t]*/, "", line); print lab " " name ": " line }' "$1" | sort -u
}

# share TEXT: "REACHED of ALL".
share() {
	awk -F : '$1 ~ /#####/ { all++ } $1 ~ /[0-9]/ { all++; reached++ } END { print reached + 0 " of " all }' "$1"
}

enough() {
	share=$(share "$work/lab-$lab")
	[ $((${share% of *} * 10)) -ge $((${share#* of } * 9)) ] ||
		fail "Only $share lines are reached, not nine of ten: $(missed "$work/lab-$lab")" || return
	echo "    # $share lines are reached"
}

# explained TEXT LIST: what was missed is what the list has a reason for. A line that is
# reached now and then has "sometimes: " before its reason.
explained() {
	missed "$1" >"$work/missed"
	sed -n "s/^\($lab .*\) | [^|][^|]*\$/\1/p" "$2" | sort -u >"$work/known"
	sed -n "s/^\($lab .*\) | sometimes: [^|]*\$/\1/p" "$2" | sort -u >"$work/sometimes"
	comm -23 "$work/missed" "$work/known" >"$work/new"
	[ ! -s "$work/new" ] || fail "Not reached, and nobody says why: $(cat "$work/new")" || return
	sort -u "$work/missed" "$work/sometimes" | comm -13 - "$work/known" >"$work/gone"
	[ ! -s "$work/gone" ] || fail "Said not to be reached, and is: $(cat "$work/gone")"
}

each_has_a_reason() {
	explained "$work/lab-$lab" tests/not-reached
}

# unexplained TEXT LIST WORDS
unexplained() {
	! explained "$1" "$2" || fail 'It is not noticed.' || return
	case $hints in
	*"$3"*) hints='' ;;
	*) return 1 ;;
	esac
}

# Of lab 3's last count: one line less, one reason less, one reason too many.
notices() {
	sed 's/^ *[0-9]*\**\(:.*kvfree(w);\)/    #####\1/' "$work/lab-3" >"$work/less"
	unexplained "$work/less" tests/not-reached 'dma_sg_copy: kvfree(w);' || return
	awk '/^3 / && !/ sometimes: / && !n++ { next } { print }' tests/not-reached >"$work/list"
	unexplained "$work/lab-3" "$work/list" 'nobody says why' || return
	{ cat tests/not-reached && echo '3 dma_sg_copy: kvfree(w); | no reason'; } >"$work/list"
	unexplained "$work/lab-3" "$work/list" 'and is: 3 dma_sg_copy: kvfree(w);'
}

echo "$labs" >"$work/labs"
plan $(($(wc -l <"$work/labs") * 3 + 1))
first=1
while read -r lab module device <&3; do
	step "lab $lab: what its tests and $operations fuzzed operations reach is counted" counts
	needs $first step "lab $lab: nine of ten lines are reached" enough
	needs $first step "lab $lab: what is not has its reason in tests/not-reached" each_has_a_reason
	first=$((first + 3))
done 3<"$work/labs"
needs 7 step "a line less, a reason less and a reason too many are noticed" notices
finish

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What make bench measures: two runs agree, the bars hold, and what README and the book
# show of it is what was measured.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

measured=chapter-9/measured

# Each way, of two sizes: "WHAT,BYTES COST".
measures() {
	for run in 1 2; do
		STAGE=$work/stage tests/bench guest -b '4096 65536 1048576' >"$work/$run.csv" 2>"$work/err" || fail "$(cat "$work/err")" || return
	done
	cut -d, -f1 "$measured/copies.csv" | sort -u >"$work/ways"
	cut -d, -f1 "$work/1.csv" | sort -u | diff "$work/ways" - >"$work/out" ||
		fail "It is not what has been measured before: $(cat "$work/out")"
}

# No mean is below the least, but for reading the clock.
means_are_possible() {
	awk -F, 'FNR > 1 && $3 == 1 && $5 != "" && $6 != "" && $5 + 64 < $6 { print FILENAME ": " $0 }' "$@" >"$work/out"
	[ ! -s "$work/out" ] || fail "A mean is below the least: $(cat "$work/out")"
}

all_means_are_possible() {
	means_are_possible "$work/1.csv" "$measured/copies.csv" "$measured/pieces.csv" "$measured/wall-clock.csv" || return
	sed 's/^\(lab2-ioctl,4096,1,[0-9]*\),[0-9]*/\1,9/' "$measured/copies.csv" >"$work/low"
	! means_are_possible "$work/low" || fail 'One that is goes unnoticed.' || return
	hints=''
}

# costs FILE: "WHAT,BYTES COST" a line.
costs() {
	awk -F, 'NR > 1 { print $1 "," $2, $5 == "" ? $6 : $5 }' "$1"
}

# costs_by_pieces FILE: "WHAT,BYTES,DESCRIPTORS COST": how pages lie in memory is another
# matter at each run. The cost is the median, where there is one: in a mean there is what the
# kernel did besides.
costs_by_pieces() {
	awk -F, 'NR > 1 { print $1 "," $2 "," $12, $7 != "" ? $7 : $5 != "" ? $5 : $6 }' "$1" | LC_ALL=C sort
}

# apart FILE FILE PART: where they differ by more than that part, and 16 instructions, which
# is how often the clock ticks. Lab 3 in small pages depends on which pages there are: of
# that, by more than 3 %. dmatest counts its own start, too: 1 %.
apart() {
	costs_by_pieces "$1" >"$work/a"
	costs_by_pieces "$2" >"$work/b"
	join "$work/a" "$work/b" | awk -v part="$3" '{ d = $2 - $3; if (d < 0) d = -d }
		{ most = /^lab3-(pages|odd)/ ? 0.03 : /^dmatest/ ? 0.01 : 0 }
		{ if (most < part) most = part }
		d > 16 && d > $2 * most { print $1 ": " $2 " and " $3 }'
}

runs_agree() {
	apart "$work/1.csv" "$work/2.csv" 0.005 >"$work/out"
	[ ! -s "$work/out" ] || fail "Two runs are apart by more than 0.5 %: $(cat "$work/out")"
}

difference_is_seen() {
	sed 's/^\(lab2-ioctl,65536,1,[0-9]*,[0-9.]*,[0-9]*\),/\1,1/' "$work/1.csv" >"$work/other.csv"
	apart "$work/1.csv" "$work/other.csv" 0.005 | grep -q '^lab2-ioctl,65536,1: ' || fail 'It goes unnoticed.'
}

# bar FILE A TIMES B: of FILE, A is at most so many times B.
bar() {
	costs "$1" | awk -v a="$2" -v times="$3" -v b="$4" '
		$1 == a { of_a = $2 }
		$1 == b { of_b = $2 }
		END { if (!of_a || !of_b || of_a > times * of_b) { print a " costs " of_a ", " b " " of_b; exit 1 } }' \
		>"$work/out" || fail "$(cat "$work/out"): more than $3 times as much"
}

# Of lab 3 the bar is a mebibyte in huge pages: see the book for why it is this high.
bars_hold() {
	for file in "$work/1.csv" "$measured/copies.csv"; do
		bar "$file" lab2-ioctl,65536 1 dmatest,65536 || return
		bar "$file" lab1-window,4096 1.05 dmatest,4096 || return
		bar "$file" lab1-window,65536 1.05 dmatest,65536 || return
		bar "$file" lab3-huge,1048576 1.16 dmatest,1048576 || return
	done
}

# Another kernel may cost a little more or less; a driver that costs more is seen.
is_what_it_was() {
	apart "$work/1.csv" "$measured/copies.csv" 0.1 >"$work/out"
	[ ! -s "$work/out" ] || fail "It is not what was measured before: make bench measures anew. $(cat "$work/out")"
}

# A piece, without the maintenance of its cache lines, costs at most 0.7 of a transfer of
# dmatest's; and of 4,096 pieces no more than of 64.
pieces_are_cheap() {
	awk -F, 'FILENAME ~ /copies/ { cost[$1, $2] = $5 == "" ? $6 : $5 }
		FILENAME ~ /pieces/ && FNR > 1 { piece[$2] = $5 / $12 }
		END {
			caches = cost["kernel-map-to", 4096] - cost["kernel-map-to", 64]
			caches += cost["kernel-map-from", 4096] - cost["kernel-map-from", 64]
			print piece[16777216], piece[262144], caches, cost["dmatest", 4096]
			exit !(piece[16777216] && piece[16777216] - caches <= 0.7 * cost["dmatest", 4096] &&
				piece[16777216] <= 1.02 * piece[262144])
		}' "$1" "$2" >"$work/out" || fail "They are not: $(cat "$work/out")"
}

measured_pieces_are_cheap() {
	pieces_are_cheap "$measured/copies.csv" "$measured/pieces.csv"
}

# straight TEXT: of each row of book/costs fit, no cost is farther than 3 % from its line.
straight() {
	awk -F '|' 'NR > 2 { n++; if ($5 + 0 > 3) print $2 ": " $5 } END { if (!n) print "no line" }' "$1" >"$work/out"
	[ ! -s "$work/out" ] || fail "Not a straight line: $(cat "$work/out")"
}

costs_are_straight() {
	book/costs fit >"$work/fit" && straight "$work/fit" || return
	sed '$s/[0-9.]* %/3.1 %/' "$work/fit" >"$work/bent"
	! straight "$work/bent" || fail 'One that is not goes unnoticed.' || return
	hints=''
}

# flat FILE: the cost of a copy by 16 users is at most 1.1 times that by two, as more of them
# wait for their turn.
flat() {
	awk -F, 'NR > 1 { cost[$1, $3] = $5; ways[$1] }
		END { for (way in ways) if (!cost[way, 2] || cost[way, 16] > 1.1 * cost[way, 2]) print way ": " cost[way, 2] ", " cost[way, 16] }' \
		"$1" >"$work/out"
	[ ! -s "$work/out" ] || fail "It is not flat: $(cat "$work/out")"
}

users_are_flat() {
	flat "$measured/users.csv" || return
	sed 's/^\(lab3-huge,65536,16,[0-9]*\),/\1,1/' "$measured/users.csv" >"$work/steep"
	! flat "$work/steep" || fail 'One that is not goes unnoticed.' || return
	hints=''
}

# In a copy, what the texts and the figures say is made anew.
copy() {
	mkdir "$work/book"
	git ls-files book chapter-9 README.md | tar -cT - | tar -xC "$work/book"
	"$work/book/book/costs" fill "$work/book/README.md" "$work"/book/chapter-9/[0-9]*.md
	"$work/book/book/costs" plots "$work/book/chapter-9/figures"
}

is_what_was_measured() {
	copy
	for file in README.md chapter-9/[0-9]*.md chapter-9/figures/cost-of-a-copy.svg \
		chapter-9/figures/where-it-goes.svg; do
		diff "$file" "$work/book/$file" >"$work/out" || fail "$file is not what was measured: $(cat "$work/out")" || return
	done
}

another_number_is_seen() {
	sed -i 's/^\(lab2-ioctl,65536,1,[0-9]*\),/\1,1/' "$work/book/$measured/copies.csv"
	"$work/book/book/costs" fill "$work/book/README.md"
	"$work/book/book/costs" plots "$work/book/chapter-9/figures"
	for file in README.md chapter-9/figures/cost-of-a-copy.svg chapter-9/figures/where-it-goes.svg; do
		! cmp -s "$file" "$work/book/$file" || fail "$file does not have it." || return
	done
}

plan 11
step "each way is measured" measures
needs 1 step "the medians of two runs agree within 0.5 %" runs_agree
needs 1 step "a difference is seen" difference_is_seen
needs 1 step "no mean is below the least" all_means_are_possible
needs 1 step "the costs are what the book says, or nearly" is_what_it_was
needs 1 step "the bars against dmatest hold" bars_hold
step "a piece of 4 KiB costs at most 0.7 of dmatest's 4 KiB, of 64 to 4,096" measured_pieces_are_cheap
step "from 64 KiB on each cost is a straight line" costs_are_straight
step "by sixteen at a time a copy costs no more than by two" users_are_flat
step "what README and the book say is what was measured" is_what_was_measured
step "another number makes another table and another figure" another_number_is_seen
finish

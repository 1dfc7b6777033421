#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What an instructor does: cuts skeletons, compares them with the solutions, hands
# the labs out.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/expect.sh
. tests/lib/expect.sh

driver=labs/lab-1-dma-m2m/dma_m2m.c

# In a copy: whatever goes wrong, this one stays as it is.
begin() {
	git clone -q . "$work/book"
	book=$work/book
}

# ---- make skeletons ---------------------------------------------------------

loses_nothing() {
	echo '/* an evening of work */' >>"$book/$driver"
	make -s -C "$book" skeletons >"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
	tail -n 1 "$book/$driver.mine" | grep -q evening ||
		fail "What stood in $driver is not in $driver.mine: $(cat "$work/out")" || return
	solutions/cut 1 0 "$work/cut"
	cmp -s "$work/cut/dma_m2m.c" "$book/$driver" || fail "$driver is no skeleton now." || return
	echo '/* another one */' >>"$book/$driver"
	refuses 'would be lost' make -s -C "$book" skeletons || return
	tail -n 1 "$book/$driver" | grep -q another ||
		fail "Of two evenings of work one is lost: $(cat "$work/out")" || return
	mv "$book/$driver.mine" "$book/$driver"
}

# ---- make diff --------------------------------------------------------------

# Without its steps, a skeleton is its solution without them.
without_steps() {
	awk '/^\t*\/\*$/ { held = held $0 "\n"; next }
		/\* (TODO s|S)tep [0-9]+, [a-z ]+:/ { inside = 1; held = "" }
		!inside { printf "%s", held; print }
		{ held = "" }
		/\* End of step / { inside = 0 }' "$1"
}

shows_steps_alone() {
	for steps in solutions/lab-*/steps; do
		lab=$(basename "$(dirname "$steps")")
		(cd "solutions/$lab" && find . -name '*.c') >"$work/files"
		while read -r file; do
			without_steps "labs/$lab/$file" >"$work/mine"
			without_steps "solutions/$lab/$file" >"$work/theirs"
			[ -s "$work/mine" ] && cmp -s "$work/mine" "$work/theirs" ||
				fail "labs/$lab/$file: $(diff "$work/mine" "$work/theirs")" || return
		done <"$work/files"
	done
}

prints_diff() {
	make -s diff LAB=1 >"$work/out" || fail "make diff LAB=1: exit status $?" || return
	grep -q '^- \* TODO step 4, map' "$work/out" && grep -q '^+ \* Step 4, map' "$work/out" ||
		fail "It does not show step 4: $(head -n 5 "$work/out")" || return
	refuses 'no lab "9"' make -s diff LAB=9
}

# Every region of a step has its place, and a link that leads there.
makes_page() {
	for lab in 1 2 3; do
		make -s -C "$book" diff LAB="$lab" HTML=1 >"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
		page=$book/build/diff-lab-$lab.html
		grep -c '^region ' "$book"/solutions/lab-"$lab"-*/steps >"$work/regions"
		for what in 'href="#' '<tr id="'; do
			[ "$(grep -o "${what}step-[0-9a-z-]*" "$page" | sort -u | wc -l)" -eq "$(cat "$work/regions")" ] ||
				fail "$page has not ${what}step-...\" once for each of $(cat "$work/regions") regions." || return
		done
	done
}

# ---- make handout -----------------------------------------------------------

# The skeleton is handed out, whatever was tried in labs/.
handout=$work/dma-labs
hands_out() {
	cp solutions/lab-1-dma-m2m/dma_m2m.c "$book/$driver"
	make -s -C "$book" handout >"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
	tar -xzf "$book/build/dma-labs-handout.tar.gz" -C "$work" || return
	left=$(cd "$handout" && find . -name 'solution*' -o -name 'wrong-answers' -o -name tests -o -name grading)
	[ -z "$left" ] || fail "This is handed out, too: $left" || return
	answers=$(grep -rlE '\* Step [0-9]+, ' "$handout" || true)
	[ -z "$answers" ] || fail "There are solved steps in: $answers" || return
	broken=$(find "$handout" -xtype l)
	[ -z "$broken" ] || fail "These links lead nowhere: $broken" || return
	grep -oE '\]\([^)# ]+' "$handout/README.md" | cut -c 3- | grep -v '^http' | while read -r link; do
		[ -e "$handout/$link" ] || echo "$link"
	done >"$work/left"
	[ ! -s "$work/left" ] || fail "Its README has links that lead nowhere: $(cat "$work/left")"
}


# Each skeleton is tested there, and a solution that a student has found.
works_alone() {
	for lab in 1 2 3; do
		refuses 'Begin with step 1\.' make -C "$handout" test LAB="$lab" || return
	done
	cp solutions/lab-1-dma-m2m/dma_m2m.c "$handout/$driver"
	make -C "$handout" test LAB=1 >"$work/out" 2>&1 || fail "make test LAB=1, with the solution: $(tail -n 3 "$work/out")"
}

says_what_is_missing() {
	for target in demo check check-native grade diff skeletons handout book transcripts; do
		refuses "make $target: .* handout" make -C "$handout" "$target" || return
	done
	refuses handout env SOLUTION=1 make -C "$handout" test
}

begin
plan 7
step "make skeletons loses nothing that somebody wrote" loses_nothing
step "a skeleton and its solution differ in the steps alone" shows_steps_alone
step "make diff shows them" prints_diff
step "make diff HTML=1 is a page with a link to each region" makes_page
step "make handout packs the skeletons, and no answer" hands_out
step "what was handed out builds and tests on its own" works_alone
step "it says what takes the whole workbook" says_what_is_missing
finish

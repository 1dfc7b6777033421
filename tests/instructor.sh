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
}

# Each to a file, and to a place in it.
has_links() {
	find "$handout" -name README.md | while read -r readme; do
		grep -oE '\]\([^) ]+' "$readme" | cut -c 3- | grep -v '^http' | while read -r link; do
			file=$(dirname "$readme")/${link%%#*}
			[ -e "$file" ] && { [ "$link" = "${link#*#}" ] || grep -qF "id=\"${link#*#}\"" "$file"; } ||
				echo "${readme#"$work/"}: $link"
		done
	done >"$work/left"
	[ ! -s "$work/left" ] || fail "These links lead nowhere: $(cat "$work/left")"
}

# Words alone, one space apart: a page has other tabs, and so has who types a line.
squeezed() {
	tr -s '\t ' ' ' | sed 's/^ //; s/ $//'
}

# page_text FILE: all that is to be read in it.
page_text() {
	pandoc "$1" --from html --to plain --wrap none | squeezed
}

# What only a solution has, or only a wrong answer: no line that the text or a skeleton has,
# too, and none that is as short as a brace.
secrets() {
	cat chapter-9/*.md labs/lab-*/*.c labs/lab-*/driver/* labs/lab-*/app/*.[ch] | squeezed >"$work/public"
	{
		find solutions/lab-* -name '*.c' -exec cat {} +
		sed -n 's/^+\([^+]\)/\1/p' tests/wrong-answers/*.patch
	} | squeezed | grep -E '.{12}' | sort -u | grep -vxF -f "$work/public"
}

# leaks FILE: what it has of these.
leaks() {
	page_text "$1" >"$work/text"
	grep -xF -f "$work/secrets" "$work/text"
}

# The workbook's own page has them: so it is seen whether they are found; an empty HANDOUT is
# none. What measures the engine does what a driver does.
keeps_secrets() {
	secrets >"$work/secrets"
	HANDOUT='' "$book/book/make" html >"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
	leaks "$book/build/book/dma-labs.html" >"$work/left" || true
	[ "$(wc -l <"$work/left")" -gt 200 ] || fail "Of the solutions in the book, these alone are found: $(cat "$work/left")" || return
	! leaks "$chapter" >"$work/left" || fail "The text has lines of a solution: $(cat "$work/left")" || return
	find "$handout" -type f ! -name '*.html' ! -path '*/labs/bench/*' -exec cat {} + | squeezed >"$work/text"
	! grep -xF -f "$work/secrets" "$work/text" >"$work/left" || fail "There are lines of a solution: $(cat "$work/left")"
}

# Transcripts, parts of headers and the tables of wrong answers: what a student may have.
chapter=$handout/chapter-9/dma-labs.html
has_the_text() {
	[ -z "$(find "$handout/chapter-9" -name '*.md')" ] || fail 'There is text that no student should read unmade.' || return
	! grep -q 'instructors' "$chapter" || fail "The instructors' guide is handed out, too." || return
	page_text "$chapter" >"$work/text"
	for words in 'ok 8 - the driver withstands an engine' 'struct dma_sg_copy {' \
		'step what was done how it shows itself'; do
		grep -q "$words" "$work/text" || fail "The text has no \"$words\"." || return
	done
	! grep -qE '<pre[^>]*>(<code[^>]*>)?[[:space:]]*</' "$chapter" || fail 'The text has an empty block.'
}

# Each skeleton is tested there, and a solution that a student has found.
works_alone() {
	for lab in 1 2 3; do
		refuses 'Begin with step 1\.' make -C "$handout" test LAB="$lab" || return
	done
	cp solutions/lab-1-dma-m2m/dma_m2m.c "$handout/$driver"
	make -C "$handout" test LAB=1 >"$work/out" 2>&1 || fail "make test LAB=1, with the solution: $(tail -n 3 "$work/out")"
}

# What it cannot do is not in its help.
says_what_is_missing() {
	make -s -C "$handout" help >"$work/out"
	grep -q 'make test' "$work/out" && ! grep -qE 'demo|book|SOLUTION|STEP' "$work/out" ||
		fail "Its help is: $(cat "$work/out")" || return
	for target in demo check check-native grade diff skeletons handout book transcripts; do
		refuses "make $target: .* handout.*: make help lists" make -C "$handout" "$target" || return
	done
	refuses 'handout.*: leave out' env SOLUTION=1 make -C "$handout" test &&
		refuses 'handout.*: leave out' make -C "$handout" test SOLUTION=1 STEP=2
}

begin
plan 10
step "make skeletons loses nothing that somebody wrote" loses_nothing
step "a skeleton and its solution differ in the steps alone" shows_steps_alone
step "make diff shows them" prints_diff
step "make diff HTML=1 is a page with a link to each region" makes_page
step "make handout packs the skeletons, and no answer" hands_out
needs 5 step "each link in it leads to a place" has_links
needs 5 step "its text is a page, with all that is to be read but the solutions" has_the_text
needs 5 step "no line of a solution, nor of a wrong answer, is in it" keeps_secrets
step "what was handed out builds and tests on its own" works_alone
step "it says what takes the whole workbook" says_what_is_missing
finish

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What is there to read, the book's chapters and each README, is spelled as the British do
# and set as a printer would. What in it is code, pandoc knows.
# shellcheck disable=SC2016 # Markdown has backquotes
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

texts() {
	git ls-files '*.md'
}

# through FILTER FILE
through() {
	pandoc --from markdown-implicit_figures+gfm_auto_identifiers --to plain --wrap none \
		--lua-filter "tests/lib/$1.lua" "$2"
}

# The words of FILE that neither the dictionary has nor book/words. One that ends in 's is
# there without it.
misspelled() {
	through words "$1" | sed "s/’/'/g; s/'s\>//g; s/'\( \|\$\)/\1/g" |
		hunspell -i UTF-8 -d en_GB -p book/words -l | sort -u
}

are_spelled_right() {
	for text in $(texts); do
		misspelled "$text" | sed "s|^|$text: |"
	done >"$work/out"
	[ ! -s "$work/out" ] || fail "To be mended, or to be put into book/words:
$(cat "$work/out")"
}

# "misspelled WORD": it is told; in code, it is not.
spelling_is_looked_at() {
	for wrong in 'The adress' 'The color of it' "An adress's end" '"adress"' 'It is **adress**.' \
		'![An adress](x.svg "It.")' '![It.](x.svg "An adress")' '# An adress' '| adress |
|---|'; do
		echo "$wrong" >"$work/text.md"
		misspelled "$work/text.md" | grep -qxE 'adress|color' ||
			fail "This goes unnoticed: $wrong" || return
	done
	printf '%s\n' '`adress`, <http://adress.org>, [@adress]' '' '    adress' '' '```' 'adress' '```' \
		'![It is adress_of().](x.svg "It.")' >"$work/text.md"
	[ -z "$(misspelled "$work/text.md")" ] || fail "It takes code for prose: $(misspelled "$work/text.md")"
}

# Whether the dictionary has some of them by now, each Debian answers for itself.
words_are_in_order() {
	tail -n +2 book/words | LC_ALL=C sort -cu 2>"$work/out" || fail "book/words: $(cat "$work/out")" || return
	! { tail -n +2 book/words && sed -n 2p book/words; } | LC_ALL=C sort -cu 2>/dev/null ||
		fail 'One that is there twice goes unnoticed.'
}

are_set_right() {
	for text in $(texts); do
		through typography "$text" | grep . || continue
	done >"$work/out"
	[ ! -s "$work/out" ] || fail "$(cat "$work/out")"
}

# told WHY TEXT: of a text that ends so. In code, it is no slip.
told() {
	printf 'A text.\n\n%b\n' "$2" >"$work/text.md"
	through typography "$work/text.md" | grep -qF "text.md:3: $1: " || fail "This goes unnoticed: $2"
}

slips_are_told() {
	told 'a space at the end' 'A text. ' &&
		told 'longer than 100' "$(printf '%0101d' 0)" &&
		told 'two spaces' 'A  text.' &&
		told 'twice' 'A text of the the engine.' &&
		told 'twice' 'It is *in the* text: The the.' &&
		told 'a space before' 'A text , and more.' &&
		told 'a space before' 'A text .' &&
		told 'a dash, where the book has none' 'A text - and more.' &&
		told 'a dash, where the book has none' 'A text -- and more.' &&
		told 'a straight quote' 'It is 9\\" high.' &&
		told 'a quote without its other' 'A "text.' &&
		told 'dots' 'A text..' &&
		told 'not as the British' 'It is recognized.' &&
		told 'a capital in a heading' '# A Text' &&
		told 'a heading begins small' '# small' &&
		told 'a number that begins a line begins a list' '3. A text.'
}

code_is_no_slip() {
	printf '%s\n' 'A `x  ..  "-  the the"`, or 2^64 - 1.' '' '    the the  - ..' '' '```' '"  ,  the the' '```' \
		'' '| a | b  |' '|---|----|' '| c | d  |' >"$work/text.md"
	! through typography "$work/text.md" | grep . >"$work/out" ||
		fail "It takes code for prose: $(cat "$work/out")"
}

plan 6
step "each word is in the dictionary, or in book/words" are_spelled_right
step "one that is not is told, and code is not looked at" spelling_is_looked_at
step "book/words is sorted, and has each word once" words_are_in_order
step "there is no slip in quotes, spaces, dashes, headings and lines" are_set_right
step "each slip is told" slips_are_told
step "in code, there is none" code_is_no_slip
finish

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The book: it is made, whole, always the same, and of nothing that is not there.
# shellcheck disable=SC2016 # Markdown has backquotes
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/expect.sh
. tests/lib/expect.sh
# shellcheck source=tests/lib/browser.sh
. tests/lib/browser.sh

out=build/book
page=$out/dma-labs.html short=$work/short.html

# The files as they are now, in another folder: there, they can be broken.
copy_to() {
	mkdir -p "$1"
	git ls-files | while read -r file; do [ ! -e "$file" ] || echo "$file"; done | tar -cT - | tar -xC "$1"
}

is_made() {
	book/make >"$work/out" 2>&1 || fail "$(cat "$work/out")"
}

# Made in another folder, with nothing left from before.
same_bytes() {
	copy_to "$work/again"
	"$work/again/book/make" >"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
	for format in pdf html epub; do
		cmp "$out/dma-labs.$format" "$work/again/$out/dma-labs.$format" >"$work/out" 2>&1 ||
			fail "$(cat "$work/out")" || return
	done
}

other_paper() {
	PAPER=6x9 book/make pdf >"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
	pdfinfo "$out/dma-labs-6x9.pdf" | grep -q 'Page size: *432 x 648 pts' ||
		fail "It is not 6 by 9 inches: $(pdfinfo "$out/dma-labs-6x9.pdf")" || return
	refuses 'no paper "a5": PAPER= takes 6x9 a4' env PAPER=a5 book/make pdf &&
		refuses 'no format "doc": FORMAT= takes' make -s book FORMAT=doc
}

has_all_steps() {
	for steps in solutions/lab-*/steps; do
		lab=${steps#solutions/lab-}
		awk -v lab="${lab%%-*}" '/^step / { n = $2 + 0 }
			/^region / { print "lab=\"" lab "\" step=\"" n ", " substr($0, 8) "\"" }' "$steps"
	done | while read -r region; do
		grep -qF "$region" chapter-9/*.md || echo "$region"
	done >"$work/left"
	[ ! -s "$work/left" ] || fail "The chapter does not show: $(cat "$work/left")"
}

# `lab-1-never-unmaps` is a wrong answer, and `lab-1-dma-m2m` a lab.
has_each_answer() {
	grep -oh '`lab-[0-9]-[a-z0-9-]*`' chapter-9/*.md | tr -d '`' | sort -u >"$work/named"
	while read -r name; do
		[ -e "tests/wrong-answers/$name" ] || [ -e "tests/wrong-answers/$name.patch" ] ||
			[ -e "labs/$name" ] || echo "$name"
	done <"$work/named" >"$work/left"
	[ -s "$work/named" ] || fail 'The chapter names no wrong answer.' || return
	[ ! -s "$work/left" ] || fail "The chapter names what is not there: $(cat "$work/left")"
}

# A TODO in a skeleton says where to read.
has_sections() {
	sed -n 's/^section: //p' solutions/lab-*/steps | while read -r section; do
		grep -qxF "## $section" chapter-9/*.md || echo "$section"
	done >"$work/left"
	[ ! -s "$work/left" ] || fail "A skeleton names sections that are not there: $(cat "$work/left")"
}

embeds_fonts() {
	for pdf in "$out"/dma-labs*.pdf; do
		pdffonts "$pdf" | awk 'NR > 2 && $(NF - 4) != "yes"' >"$work/left"
		[ "$(pdffonts "$pdf" | wc -l)" -gt 4 ] && [ ! -s "$work/left" ] ||
			fail "Not embedded in $pdf: $(cat "$work/left")" || return
	done
}

# What a reader's program can say: the title and the language, and for each figure the
# text that the chapter has for it.
speaks() {
	pandoc chapter-9/[0-9]*.md --lua-filter tests/lib/alt-texts.lua --to plain --wrap none |
		grep . >"$work/texts"
	[ -s "$work/texts" ] && qpdf --qdf --object-streams=disable "$1" "$work/qdf" || return
	pdfinfo "$1" | grep -q '^Title: *The DMA labs$' && grep -qaF '/Lang (en-GB)' "$work/qdf" &&
		grep -qaF '/DisplayDocTitle true' "$work/qdf" || return
	perl -MEncode -ne 'print encode("UTF-8", decode("UTF-16", pack("H*", $1))), "\n"
		while m{/Span <</Alt <(\w+)>>> BDC}g' "$work/qdf" | cmp - "$work/texts"
}

# Each chapter's title in one piece.
can_be_searched() {
	pdftotext "$1" "$work/text" && sed -n 's/^# //p' chapter-9/[0-9]*.md | while read -r title; do
		grep -q "^9[.][0-9]* *$title" "$work/text" || echo "$title"
	done >"$work/left"
	[ ! -s "$work/left" ]
}

pdf_can_be_searched() {
	for pdf in "$out"/dma-labs*.pdf; do
		can_be_searched "$pdf" || fail "$pdf has not, in one piece: $(cat "$work/left")" || return
	done
	! can_be_searched "$out/tex/figures/bounce.pdf" || fail 'Their absence goes unnoticed.'
}

# Without one of its figures' texts, and without all of that.
pdf_speaks() {
	for pdf in "$out"/dma-labs*.pdf; do
		speaks "$pdf" >"$work/out" 2>&1 || fail "$pdf: $(cat "$work/out")" || return
		sed '0,/\/Alt /s//\/Tla /' "$work/qdf" >"$work/silent.pdf"
		! speaks "$work/silent.pdf" >"$work/out" 2>&1 || fail "A text's absence goes unnoticed." || return
	done
	! speaks "$out/tex/figures/bounce.pdf" >"$work/out" 2>&1 || fail "Absence of all goes unnoticed."
}

keeps_units() {
	pandoc "$1" --from html --lua-filter tests/lib/words.lua --to plain --wrap none >"$work/words"
	! grep -oE '[0-9] ([KMG]iB|bytes|bits)\b.{0,20}' "$work/words"
}

units_stay() {
	keeps_units "$out/dma-labs.html" >"$work/left" ||
		fail "A line can end between: $(cat "$work/left")" || return
	echo '<p>It has 64 KiB of them.</p>' >"$work/page.html"
	! keeps_units "$work/page.html" >/dev/null || fail 'A space goes unnoticed.'
}

# A link may lead out of the page; nothing is loaded from there.
loads_nothing() {
	grep -noE '<(link|script|img|iframe|source|object|embed)[^>]*(src|href|data)="?[^"d][^"]*|url\(([^#%]|%[^2])[^)]*|@import.*' \
		"$1" >"$work/left" || return 0
	fail "$1 loads: $(cut -c -200 "$work/left")"
}

html_is_alone() {
	loads_nothing "$out/dma-labs.html" || return
	for load in '<img src="https://example.org/x.svg">' '<link rel="stylesheet" href="style.css">' \
		'<style>a { background: url(x.png) }</style>'; do
		echo "$load" >"$work/page.html"
		! (loads_nothing "$work/page.html") || fail "This goes unnoticed: $load" || return
	done
}

# What gets worse is a page of three chapters: to look at all of them takes longer.
has_browser() {
	command -v chromium >/dev/null || skip 'no chromium here' || return
	[ ! -e "$short" ] || return 0
	begin 02-caches.md 04-mappings.md 05-the-dma-engine.md
	"$work/broken/book/make" html >"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
	cp "$work/broken/$page" "$short"
}

# Each change makes the page worse in one way.
html_steps() {
	has_browser && is_fine stepping desktop "$page" "$short" && is_fine stepping phone "$page" || return
	notices 'is seen, not 2' stepping desktop "$short" 's/^\t\tlook\(svg, frames\[at\]\)/\t\tlook(svg, frames[0])/' &&
		notices 'it says: Frame 1' stepping desktop "$short" 's/says.replaceChildren/says.innerHTML || says.append/' &&
		notices 'is seen, not 5' stepping desktop "$short" "s/'ArrowLeft'/'ArrowUp'/g" &&
		notices 'cannot be had by keyboard' stepping desktop "$short" \
			"s/make\('button', \{ type: 'button', onclick/make('button', { tabIndex: -1, onclick/" &&
		notices 'nobody owns the buffers' stepping desktop "$short" 's/Both buffers are the CPU/There is/g'
}

html_searches() {
	has_browser && is_fine searching desktop "$page" "$short" &&
		notices 'does not have it' searching desktop "$short" 's/words\.every/words.some/' &&
		notices 'nothing is found' searching desktop "$short" 's/query\.toLowerCase\(\)/query/' &&
		notices 'does not lead' searching desktop "$short" 's/input\.focus\(\)//'
}

html_copies() {
	has_browser && is_fine copying desktop "$page" "$short" &&
		notices 'without a button' copying desktop "$short" "s/ of all\('pre'\)/ of all('.listing pre')/" &&
		notices 'not copied' copying desktop "$short" 's/writeText\(pre\.textContent/writeText(pre.className/' &&
		notices 'not selected' copying desktop "$short" 's/selectAllChildren/containsNode/'
}

html_fits() {
	has_browser && is_fine fits desktop "$page" && is_fine onPhone phone "$page" "$short" &&
		notices 'wider than' onPhone phone "$short" 's/overflow-x: auto;//g' &&
		notices 'contents do not come' onPhone phone "$short" 's/nav:target/nav:hover/' &&
		notices 'contents stay' onPhone phone "$short" \
			'/<div id="toc">/,/<\/div>/s/href="#[^"]*"/href="#contents"/'
}

without_script() {
	sed '/^<script>$/,/^<\/script>$/d' "$1" >"$2"
	! grep -q '<script' "$2" || fail 'There is still a script.'
}

html_needs_no_script() {
	bare=$work/bare.html short_bare=$work/short-bare.html
	has_browser && without_script "$page" "$bare" && without_script "$short" "$short_bare" &&
		is_fine bare desktop "$bare" "$short_bare" && is_fine fits phone "$bare" &&
		notices 'not all frames' bare desktop "$short_bare" 's/0 0 636 [0-9]+/0 0 636 276/' &&
		notices 'no contents' bare desktop "$short_bare" 's/<div id="toc"/<div id="toc" hidden/' &&
		notices 'does nothing' bare desktop "$short_bare" 's/<p class="tools" hidden/<p class="tools"/'
}

html_shuts_nobody_out() {
	has_browser || return
	tests/axe-core >"$work/out" 2>&1 || skip "$(tail -n 1 "$work/out")" || return
	is_fine access desktop "$page" "$short" && is_fine access phone "$page" &&
		notices 'light: ' access desktop "$short" 's/(<html) lang="[^"]*"/\1/' &&
		notices 'alternative text' access desktop "$short" 's/(^| )alt="/\1data-alt="/' &&
		notices 'dark: ' access desktop "$short" 's/#9aa5a8/#4c5254/'
}

pleases_epubcheck() {
	java -jar "$(realpath "$(command -v epubcheck)")" -q "$out/dma-labs.epub" >"$work/left" 2>&1 ||
		fail "$(cat "$work/left")" || return
	[ ! -s "$work/left" ] || fail "$(cat "$work/left")"
}

# ---- what is missing --------------------------------------------------------

# Each begins with all as it should be; of chapters with those that are named, or with all.
begin() {
	rm -rf "$work/broken"
	copy_to "$work/broken"
	[ $# -gt 0 ] || return 0
	for file in "$work"/broken/chapter-9/*.md; do
		case " $* " in
		*" ${file##*/} "*) ;;
		*) rm "$file" ;;
		esac
	done
}

# without WORDS TEXT: of a chapter that ends with TEXT, no book is made; it says WORDS,
# and where.
without() {
	at=chapter-9/02-caches.md
	{ cat "$at" && printf '\n%b\n' "$2"; } >"$work/broken/$at"
	refuses "^book: $at:[0-9]*: $1" "$work/broken/book/make" html && cp "$at" "$work/broken/$at"
}

without_step() {
	begin 02-caches.md 06-lab-1.md
	without 'there is no step "4, mop" of lab "1"' '``` {.c lab="1" step="4, mop"}\n```' &&
		without 'there is no step "4, map" of lab "9"' '``` {.c lab="9" step="4, map"}\n```' &&
		without 'there is no step "map" of lab "1"' '``` {.c lab="1" step="map"}\n```' || return
	sed -i 's/End of step 4, map\./End of step 4, mop./' "$work/broken/solutions/lab-1-dma-m2m/dma_m2m.c"
	refuses '^book: chapter-9/06-lab-1.md:[0-9]*: there is no step' "$work/broken/book/make" html
}

without_part() {
	begin 02-caches.md
	without 'there is no file "labs/x.h"' '``` {.c file="labs/x.h" part="struct x"}\n```' &&
		without 'labs/lib/one_write.c has no part "struct x"' \
			'``` {.c file="labs/lib/one_write.c" part="struct x"}\n```'
}

without_wrong_answers() {
	begin 02-caches.md 06-lab-1.md
	without 'there is no wrong answer to lab "9"' '``` {.wrong-answers lab="9"}\n```' || return
	sed -i '/^Shows: /d' "$work/broken/tests/wrong-answers/lab-1-never-issues.patch"
	refuses 'lab-1-never-issues.patch has no Step:' "$work/broken/book/make" html
}

without_transcript() {
	begin 02-caches.md 03-addresses.md
	without 'there is no transcript "x"' '``` {.console transcript="x"}\n```' || return
	echo '$ x' >"$work/broken/chapter-9/transcripts/x.txt"
	without 'there is no transcript "x"' '``` {.console transcript="x"}\n```' || return
	: >"$work/broken/chapter-9/transcripts/addresses.txt"
	refuses '^book: chapter-9/03-addresses.md:[0-9]*: there is no transcript "addresses"' \
		"$work/broken/book/make" html
}

without_image() {
	begin 02-caches.md
	mkdir -p "$work/broken/chapter-9/figures"
	echo '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9"/></svg>' \
		>"$work/broken/chapter-9/figures/x.svg"
	without 'there is no image "figures/y.svg"' '![A line](figures/y.svg "A line.")' &&
		without 'the image "figures/x.svg" has no text' '![](figures/x.svg "A line.")' &&
		without 'the image "figures/x.svg" has no title' '![A line](figures/x.svg)' &&
		without 'the image "figures/x.svg" has no text' 'In a sentence: ![](figures/x.svg).'
}

without_target() {
	begin 02-caches.md 03-addresses.md 04-mappings.md
	without 'the link to "99-nothing.md" leads nowhere' '[There](99-nothing.md)' &&
		without 'the link to "03-addresses.md#the-rules" leads' '[There](03-addresses.md#the-rules)' &&
		without 'the link to "#nothing" leads nowhere' '[There](#nothing)' &&
		without '"The rules" is the name of two headings, in 02-caches.md and in 04-mappings.md' '## The rules'
}

without_source() {
	begin 02-caches.md
	without 'there is no source "nobody"' '[@nobody]'
}

# Of one file without links: each of the three is told.
too_wide() {
	begin 02-caches.md
	printf '\n%b\n' "$(printf '%0120d' 0)" "- a list\n\n      $(printf '%084d' 0)" \
		'A glyph: \0360\0237\0230\0200' >>"$work/broken/chapter-9/02-caches.md"
	! "$work/broken/book/make" pdf >"$work/out" 2>&1 || fail 'They go unnoticed.' || return
	for wide in '^book: .*\.log: ' 'Overfull .hbox' 'Overfull line of code' 'Missing character'; do
		grep -q "$wide" "$work/out" || fail "This goes unnoticed, $wide: $(cat "$work/out")" || return
	done
}

transcripts_are_so() {
	book/record -c >"$work/out" 2>&1 || fail "See make transcripts:
$(cat "$work/out")"
}

transcript_changes() {
	begin
	sed -i 's/cookie 2 ended with 0/cookie 2 ended with 1/' "$work/broken/chapter-9/transcripts/addresses.txt"
	! "$work/broken/book/record" -c addresses >"$work/out" 2>&1 || fail 'A changed transcript goes unnoticed.' || return
	grep -q '^+soc:dma-m2m: cookie N ended with 0' "$work/out" || fail "There is no diff: $(cat "$work/out")"
}

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
plan 28
step "the book is made: PDF, HTML and EPUB" is_made
step "made anew elsewhere, it is the same byte for byte" same_bytes
step "the PDF is made for another paper; a wrong one is told" other_paper
step "it shows each step of each lab" has_all_steps
step "it has each section that a skeleton names" has_sections
step "the wrong answers that it names are there" has_each_answer
step "all fonts are in the PDF" embeds_fonts
step "each PDF tells its title, its language, and what its figures show" pdf_speaks
step "in each PDF, the chapters' titles can be searched for" pdf_can_be_searched
step "a number is not torn from its unit" units_stay
step "the page loads nothing from outside" html_is_alone
step "the page's figure is stepped through, by mouse and by keyboard" html_steps
step "the page is searched" html_searches
step "the page's code is copied" html_copies
step "nothing is wider than the page, or a phone; there, the contents come and go" html_fits
step "without its script, the page has all there is to read" html_needs_no_script
step "axe-core finds nothing serious on the page, light and dark, wide and narrow" html_shuts_nobody_out
step "epubcheck is silent about the EPUB" pleases_epubcheck
step "a step that is not there is told" without_step
step "a part of a file that is not there is told" without_part
step "a wrong answer that is not there, or does not tell how it shows, is told" without_wrong_answers
step "a transcript that is not there is told" without_transcript
step "an image without file, text or caption is told" without_image
step "a link that leads nowhere, and one that could lead to two places, is told" without_target
step "a source that is not there is told" without_source
step "what is too wide, and a glyph that no font has, is told" too_wide
step "each transcript is what its command prints" transcripts_are_so
step "one that is not is told, with a diff" transcript_changes
finish

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Each figure of the chapter can be read: by a program, by who does not see it, and
# without anything from elsewhere.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

figures=chapter-9/figures

# each TEST: every figure for which the function TEST, or the command, is not true.
each() {
	for figure in "$figures"/*.svg; do
		[ -f "$figure" ] || fail "there is no figure in $figures" || return
		"$@" "$figure" >"$work/out" 2>&1 || fail "$figure: $(cat "$work/out")" || return
	done
}

are_well_formed() {
	each xmllint --noout --nonet
}

# says WHAT XPATH FIGURE. "svg:" stands for the namespace, which --xpath cannot name.
says() {
	xpath=$(echo "$2" | sed "s/svg:\([a-z]*\)/*[local-name()='\1']/g")
	[ "$(xmllint --nonet --xpath "$xpath" "$3")" = true ] || { echo "$1" && return 1; }
}

describes() {
	says 'a title is missing' 'string-length(normalize-space(/*/svg:title)) >= 10' "$1" &&
		says 'its desc has less than 40 characters' \
			'string-length(normalize-space(/*/svg:desc)) >= 40' "$1" &&
		says 'role="img" is missing, or aria-labelledby does not name title and desc' \
			'/*/@role = "img" and
			/*/@aria-labelledby = concat(/*/svg:title/@id, " ", /*/svg:desc/@id)' "$1" &&
		says 'viewBox is missing, or there is a size in pixels' \
			'boolean(/*/@viewBox) and not(/*/@width | /*/@height)' "$1"
}

say_in_words() {
	each describes
}

# What a figure names, it has: "#...", below its own name, for two may be on one page.
alone() {
	name=$(basename "$1" .svg)
	! grep -niE '<(script|image|foreignObject|iframe|audio|video|link)' "$1" &&
		! grep -niE '[[:space:]]on[a-z]+=|@import|@font-face|<!(DOCTYPE|ENTITY)|<\?xml-' "$1" &&
		! grep -noE "(href|src)=['\"][^'\"]*|url\([^)]*|[[:space:]]id=['\"][^'\"]*" "$1" |
			grep -vE "(href=\"#|url\(#| id=\")$name-"
}

stand_alone() {
	each alone
}

# A letter is 0.57 of its size wide, more or less; a line holds one text, with its
# place, and groups are moved by translate() alone.
inside() {
	awk '
	function value(name, from) {
		from = match($0, " " name "=\"[^\"]*\"") ? RSTART + length(name) + 3 : 0
		return from ? substr($0, from, RSTART + RLENGTH - 1 - from) : ""
	}
	/<svg/ { split(value("viewBox"), box, " ") }
	/<g[ >]/ { depth++; x[depth] = x[depth - 1]; y[depth] = y[depth - 1] }
	/transform=/ {
		if (!/<g transform="translate\(-?[0-9]+ -?[0-9]+\)">/) {
			print FNR ": moved in a way that is not understood"; bad = 1
		}
		split(value("transform"), by, /[( )]/)
		x[depth] += by[2]; y[depth] += by[3]
	}
	/<\/g>/ { depth-- }
	/<text/ {
		class = " " value("class") " "
		left = value("x"); low = value("y")
		if (left == "" || low == "" || !match($0, />[^<]*<\/text>$/)) {
			print FNR ": a text that is not on one line with its place"; bad = 1; next
		}
		words = substr($0, RSTART + 1, RLENGTH - 8)
		gsub(/&[a-z]+;/, "x", words)
		size = class ~ / f-[sc] / ? 13 : 14
		wide = length(words) * size * 0.57 * (class ~ / f-h / ? 1.25 : 1)
		left += x[depth] - (class ~ / f-m / ? wide / 2 : class ~ / f-e / ? wide : 0)
		low += y[depth]
		if (left < 0 || left + wide > box[3] || low < size || low > box[4] - 4) {
			print FNR ": outside of the picture: " words; bad = 1
		}
	}
	END { exit bad }' "$1"
}

keep_inside() {
	each inside
}

style_of() {
	sed -n '/<style>/,/<\/style>/p' "$1" | cmp - "$work/style"
}

look_alike() {
	sed -n '/<style>/,/<\/style>/p' "$figures/transfer-life.svg" >"$work/style"
	[ -s "$work/style" ] || fail "transfer-life.svg has no style" || return
	each style_of
}

# Those of the source: the CPU's in full, 32 bits of the two others.
has_addresses_of_run() {
	sed -n 's/.* source: virtual \([0-9a-f]*\), physical 0x0*\([0-9a-f]\{8\}\), bus 0x0*\([0-9a-f]\{8\}\),.*/\1 \2 \3/p' \
		chapter-9/transcripts/addresses.txt | tr ' ' '\n' >"$work/addresses"
	[ "$(wc -l <"$work/addresses")" -eq 3 ] || fail 'there are no three addresses in the transcript' || return
	while read -r address; do
		for file in "$figures/three-addresses.svg" chapter-9/03-addresses.md; do
			grep -qF "0x$address" "$file" || fail "$file does not have the transcript's 0x$address" || return
		done
	done <"$work/addresses"
}

plan 6
step "each figure is well-formed" are_well_formed
needs 1 step "each says in words what it shows" say_in_words
needs 1 step "each stands alone, without a script, a photograph or anything from elsewhere" stand_alone
needs 1 step "no word leaves its picture" keep_inside
step "all have one style" look_alike
step "the three addresses are those of the transcript" has_addresses_of_run
finish

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The README says what is so: its transcript is what `make demo` prints, its
# files are there, its commands exist.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

normalise() {
	sed -f book/normalise.sed | uniq
}

transcript() {
	awk '/^```$/ && inside++ { exit } inside; /^<!-- make demo -->$/ { getline; inside = 1 }' README.md
}

demo_prints_it() {
	transcript | normalise >"$work/readme"
	make -s demo 2>"$work/err" >"$work/out" || fail "make demo: $(cat "$work/err")" || return
	sed '1{/^$/d}' "$work/out" | normalise >"$work/demo"
	diff "$work/readme" "$work/demo" >"$work/diff" || fail "$(cat "$work/diff")"
}

demo_takes_text() {
	text="it's \"any\" other text: \\ \$HOME 100%"
	TEXT=$text make -s demo >"$work/out" 2>&1 || fail "$(tail -n 3 "$work/out")" || return
	grep -qxF "$text" "$work/out" || fail "$(cat "$work/out")"
}

names_what_is_there() {
	for entry in $(git ls-files | cut -d / -f 1 | grep -v '^\.' | sort -u); do
		grep -q "\`$entry/\{0,1\}\`" README.md || fail "the README does not explain $entry" || return
	done
}

links_lead_somewhere() {
	git ls-files '*.md' | while read -r file; do
		grep -o '](\([^)]*\))' "$file" | sed 's/^](//; s/[ #)].*//' | grep -v '^http' |
			while read -r link; do
				[ -e "$(dirname "$file")/$link" ] || echo "$file: $link is not there"
			done
	done >"$work/broken"
	[ ! -s "$work/broken" ] || fail "$(cat "$work/broken")"
}

help_names_targets() {
	make help >"$work/help"
	targets=$(sed -n 's/^\.PHONY: help //p' Makefile)
	for target in $targets; do
		grep -q "make $target" "$work/help" || fail "make help does not mention $target" || return
	done
}

plan 5
step "the README's transcript is what make demo prints" demo_prints_it
step "make demo takes any text" demo_takes_text
step "the README explains each entry of the tree" names_what_is_there
step "each link in a Markdown file leads to a file" links_lead_somewhere
step "make help lists each target" help_names_targets
finish

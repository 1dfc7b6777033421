#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The steps of each lab: with the first n solved, exactly those pass, and the next
# one says what to do. And what the cutter that makes them does with mistakes.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/expect.sh
. tests/lib/expect.sh

# "LAB STEP" of each state in which a student's driver can be, but for the last.
states() {
	for steps in solutions/lab-*/steps; do
		lab=${steps#solutions/lab-}
		seq 0 $(($(solutions/cut -n "${lab%%-*}") - 1)) | sed "s/^/${lab%%-*} /"
	done
}

# All are run beforehand, two at a time.
run_all() {
	# shellcheck disable=SC2016 # for each process's own shell
	xargs -L 1 -P 2 sh -c 'STEP=$2 pi/lab test "$1" >"$0/lab-$1-step-$2.log" 2>&1 || true' \
		"$work" <"$work/states"
}

# What fails is `not ok 4 - ...` and a hint, which is not that it was not reached.
state_is_right() {
	log=$work/lab-$lab-step-$step.log
	! grep -i 'warning:' "$log" >"$work/out" || fail "It does not build silently: $(head -n 3 "$work/out")" || return
	sed -n 's/^\(ok\|not ok\) \([0-9]*\) - .*/\1 \2/p' "$log" >"$work/results"
	for n in $(seq "$step"); do
		grep -qx "ok $n" "$work/results" || fail "Step $n fails, and is solved: $(tail -n 4 "$log")" || return
	done
	for n in $(seq $((step + 1)) "$(solutions/cut -n "$lab")"); do
		grep -qx "not ok $n" "$work/results" || fail "Step $n does not fail, and is not solved: $(tail -n 4 "$log")" || return
	done
	sed -n "/^not ok $((step + 1)) /{n;p;}" "$log" | grep '^# ' | grep -vq '^# Not reached' ||
		fail "There is no hint for step $((step + 1)): $(grep -A 2 "^not ok $((step + 1)) " "$log")" || return
	! grep -E 'reported trouble|panicked|past help|no verdict|does not unload' "$log" >"$work/out" ||
		fail "$(cat "$work/out")"
}

# same FOLDER FOLDER: the sources of the first are all in the second, and the same.
same() {
	(cd "$1" && find . -name '*.c') >"$work/files"
	[ -s "$work/files" ] || fail "There is no source in $1." || return
	while read -r file; do
		cmp "$1/$file" "$2/$file" >"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
	done <"$work/files"
}

whole_is_solution() {
	solutions/cut "$lab" "$(solutions/cut -n "$lab")" "$work/whole-$lab" && same "$folder" "$work/whole-$lab"
}

skeleton_is_fresh() {
	solutions/cut "$lab" 0 "$work/skeleton-$lab" || return
	same "$work/skeleton-$lab" "labs/${folder##*/}" || fail "See make skeletons."
}

readme_is_fresh() {
	book/readme chapter-9/*-lab-"$lab".md | cmp - "labs/${folder##*/}/README.md" >"$work/out" 2>&1 ||
		fail "See make skeletons. $(cat "$work/out")"
}

# ---- the cutter's errors ----------------------------------------------------

source='lab-1-dma-m2m/dma_m2m.c'
list='lab-1-dma-m2m/steps'

# breaks FILE SED PLACE PATTERN WORDS: when sed has edited FILE, of a copy of the
# solutions, the cutter says WORDS of the last line in PLACE that has PATTERN.
breaks() {
	rm -rf "$work/solutions" "$work/cut"
	cp -r solutions "$work/solutions"
	sed -i "$2" "$work/solutions/$1"
	line=$(grep -n -- "$4" "$work/solutions/$3" | tail -n 1 | cut -d : -f 1)
	! "$work/solutions/cut" 1 0 "$work/cut" >"$work/said" 2>&1 || fail "It does not notice: $2" || return
	grep -qF -- "$3:$line: $5" "$work/said" || fail "Not \"$3:$line: $5\", but: $(cat "$work/said")" || return
	[ ! -e "$work/cut/dma_m2m.c" ] || fail "It made a file of it all the same: $2"
}

unknown_marker() {
	breaks "$source" 's/Step 4, map:/Step 4, mop:/' "$source" 'Step 4, mop:' \
		'there is no region "4 mop" in lab-1-dma-m2m/steps'
}

unclosed_marker() {
	breaks "$source" '/End of step 4, map\./d' "$source" 'Step 7, unmap:' \
		'step 7 unmap begins inside step 4 map, of line ' &&
		breaks "$source" '/End of step 1, register\./d' "$source" '^MODULE_LICENSE' 'step 1 register, of line '
}

nested_marker() {
	breaks "$source" '/^static int dma_m2m_map/i /* Step 5, submit: too early */' "$source" 'Step 5, submit: too' \
		'step 5 submit begins inside step 4 map, of line '
}

repeated_marker() {
	breaks "$source" '/End of step 4, map\./a /* Step 4, map: again */' "$source" 'Step 4, map: again' \
		'step 4 map is there twice'
}

wrongly_closed_marker() {
	breaks "$source" 's/End of step 4, map\./End of step 4, mop./' "$source" 'End of step 4, mop' \
		'step 4 mop ends, and step 4 map, of line ' &&
		breaks "$source" '/^MODULE_LICENSE/a /* End of step 4, map. */' "$source" 'End of step 4, map' \
			'step 4 map ends, and none is open'
}

misspelt_marker() {
	breaks "$source" 's/End of step 4, map\./End of step 4 map/' "$source" 'End of step 4 map' \
		'this is no marker of a step: '
}

region_without_place() {
	breaks "$list" '/^region map$/i region elsewhere\nstub\nend' "$source" '^MODULE_LICENSE' \
		'region 4 elsewhere of lab-1-dma-m2m/steps is not there'
}

wrong_list() {
	breaks "$list" 's/^step 4:/step 5:/' "$list" '^step 5: each buffer' 'step 4 was due' &&
		breaks "$list" '/^region unmap$/i region unmap\nstub\nend' "$list" '^region unmap' \
			'region 7 unmap is there twice' &&
		breaks "$list" 's/^section: Lab 1, mapping/sectoin: Lab 1, mapping/' "$list" '^sectoin' \
			'this is no step, see, section or region: sectoin'
}

unfinished_list() {
	breaks "$list" '/^region map$/,/^end$/{/^end$/d}' "$list" '^region map$' 'region 4 map has no end' &&
		breaks "$list" '/^region give up$/,/^end$/{/^end$/d}' "$list" '^region give up$' 'region 8 give up has no end'
}

no_such_step() {
	refuses 'lab 1 has steps 1 to [0-9]' solutions/cut 1 99 "$work/cut" &&
		refuses 'there is no lab "9"' solutions/cut 9 0 "$work/cut" &&
		refuses 'lab 1 has no region "4, mop"' solutions/cut -r 1 4 mop
}

states >"$work/states"
run_all
labs=$(find solutions -path '*/lab-*/steps' | sort)
plan $((3 * $(echo "$labs" | wc -l) + $(wc -l <"$work/states") + 10))
for folder in $labs; do
	folder=${folder%/steps}
	lab=${folder#solutions/lab-}
	lab=${lab%%-*}
	step "lab $lab with all steps solved is its solution" whole_is_solution
	step "lab $lab's skeleton is cut from its solution" skeleton_is_fresh
	step "lab $lab's README is cut from the chapter" readme_is_fresh
done
while read -r lab step; do
	step "lab $lab, $step steps solved: these pass, the next one gives a hint" state_is_right
done <"$work/states"
step "an unknown marker is told" unknown_marker
step "an unclosed marker is told" unclosed_marker
step "a nested marker is told" nested_marker
step "a repeated marker is told" repeated_marker
step "a wrongly closed marker is told" wrongly_closed_marker
step "a misspelt marker is told" misspelt_marker
step "a region that has no place in the source is told" region_without_place
step "a list of steps that is wrong is told" wrong_list
step "a list of steps without its end is told" unfinished_list
step "a lab, step or region that is not there is told" no_such_step
finish

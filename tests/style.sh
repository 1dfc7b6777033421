#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Every file is in the style of its kind, as its own tool sees it.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

c_files() {
	git ls-files '*.c' '*.h'
}

shell_files() {
	git ls-files | while read -r file; do
		[ ! -f "$file" ] || [ -h "$file" ] ||
			! head -n 2 "$file" | grep -qE '^#!/bin/sh|^# shellcheck shell=sh' || echo "$file"
	done
}

# A program is not kernel code: it has no __printf(), and volatile is how a
# signal handler tells.
checkpatch() {
	"$(pi/kernel -s)/scripts/checkpatch.pl" --no-tree --strict --quiet --terse "$@"
}

drivers_please_checkpatch() {
	# shellcheck disable=SC2046 # no space in a name
	checkpatch -f $(git ls-files 'solutions/*.[ch]' 'labs/*/driver/*.h' \
		'tests/wrong-answers/*.c') >"$work/out" 2>&1 || fail "$(cat "$work/out")"
}

programs_please_checkpatch() {
	# shellcheck disable=SC2046
	checkpatch --ignore VOLATILE,PREFER_DEFINED_ATTRIBUTE_MACRO \
		-f $(c_files | grep -vE '^solutions/|/driver/') >"$work/out" 2>&1 || fail "$(cat "$work/out")"
}

# KCFLAGS=-Werror: a warning at W=1 ends the build; C=2: sparse sees all.
drivers_build_silently() {
	git ls-files labs | tar -cT - | tar -xC "$work"
	cp -r solutions/lab-* "$work/labs"
	for lab in $(cd labs && echo lab-* bench); do
		pi/kbuild "$(pi/kernel)" "$work/labs/$lab" W=1 C=2 CF=-Wsparse-error KCFLAGS=-Werror \
			>"$work/out" 2>&1 ||
			fail "$(cat "$work/out")" || return
		! grep -qiE 'warning|error' "$work/out" || fail "$(cat "$work/out")" || return
	done
}

scripts_please_shellcheck() {
	shell_files | xargs shellcheck >"$work/out" 2>&1 || fail "$(cat "$work/out")"
}

functions_are_short() {
	c_files | xargs awk '
	FNR == 1 { start = 0 }
	/^{/ { start = FNR }
	/^}/ { if (start && FNR - start > 51) print FILENAME ":" start ": " FNR - start - 1 " lines"; start = 0 }
	' >"$work/out"
	[ ! -s "$work/out" ] || fail "$(cat "$work/out")"
}

files_name_their_licence() {
	git ls-files | grep -vE '\.md$|^LICENSE$|^\.|/kernel-reports$|/next-steps$|/shell-hints$|/transcripts/|/measured/' | while read -r file; do
		case $file in
		chapter-9/*) licence=CC-BY-SA-4.0 ;;
		*) licence=GPL-2.0 ;;
		esac
		[ -h "$file" ] || head -n 3 "$file" | grep -q "SPDX-License-Identifier: $licence" || echo "$file"
	done >"$work/out"
	[ ! -s "$work/out" ] || fail "no licence in: $(cat "$work/out")"
}

plan 6
step "checkpatch --strict is silent about the drivers" drivers_please_checkpatch
step "checkpatch --strict is silent about the programs" programs_please_checkpatch
step "the drivers build without a warning, at W=1 and under sparse" drivers_build_silently
step "shellcheck is silent" scripts_please_shellcheck
step "no C function is longer than 50 lines" functions_are_short
step "each file names its licence" files_name_their_licence
finish

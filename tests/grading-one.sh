#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What grading/one makes of submissions: of right ones, of halves, and of those that
# attack the compiler, the guest or the results: tests/attacks/. An attack's header, below
# what it tries, has these lines:
#
#   Status: graded, invalid or not built
#   Points: at most
#   Base: nothing; or solution, which it stands behind, or front, before that
#   Never: words that nothing of the result may hold
#   Seconds: until its machine is overdue (180)
#
# usage: tests/grading-one.sh [all|ATTACK...]   some of the attacks; all; or these alone
#        tests/grading-one.sh list              them all, as a table: grading/README.md has it
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/attack.sh
. tests/lib/attack.sh

lab='lab-1-dma-m2m'
some='include-canary has-include line-canary incbin-solution trouble-in-log
forges-all forges-and-panics forges-by-pipe late-output copies-by-cpu kills-tests'

# take HASH: standard input is what was taken under that name.
take() {
	mkdir -p "$out/taken/$1"
	cat >"$out/taken/$1/dma_m2m.c"
}

# grade HASH: sets $got, $result, $state and $points.
grade() {
	timeout -s KILL 1200 grading/one "$out" "$lab" "$1" >"$work/said" 2>&1 && got=0 || got=$?
	read_result "$1"
}

read_result() {
	result=$(find "$out/results" -name "$lab-$1-*" 2>/dev/null)
	state=$(sed -n 's/^ "status": "\(.*\)",*$/\1/p' "$result/result.json" 2>/dev/null || true)
	points=$(sed -n 's/^ "points": \([0-9]*\),*$/\1/p' "$result/result.json" 2>/dev/null || true)
}

# comes_to STATUS POINTS: the last grade.
comes_to() {
	[ "$got" -eq 0 ] || fail "grading/one ended with $got: $(tail -n 5 "$work/said")" || return
	[ "$state, $points" = "$1, $2" ] ||
		fail "It is $state, with ${points:-no} points, not $1, with $2: $(grep '"why"' "$result/result.json")"
}

# ---- what students hand in ------------------------------------------------------

full_points() {
	take solution <"solutions/$lab/dma_m2m.c"
	grade solution
	comes_to graded 80
}

half_the_steps() {
	solutions/cut 1 4 "$work/cut"
	take half <"$work/cut/dma_m2m.c"
	grade half
	comes_to graded 36 || return
	[ "$(grep -c '"state": "passed"' "$result/result.json")" -eq 4 ] || fail 'Others than four steps passed.' || return
	grep -A 3 '"hint": ".' "$result/result.json" | grep -q '"number": 5' || fail 'Step 5 has no hint.'
}

does_not_build() {
	{ cat "solutions/$lab/dma_m2m.c" && echo 'int wrong = ;'; } | take unbuilt
	grade unbuilt
	comes_to 'not built' 0 || return
	grep -q 'dma_m2m.c:.*error' "$result/build.log" || fail 'The build log does not have the error.' || return
	grep -q '"title": "the module loads, makes its device, and goes again"' "$result/result.json" ||
		fail "Its steps have no titles: $(grep '"title"' "$result/result.json")"
}

graded_once() {
	find "$out/results" -type f -exec stat -c '%n %Y %s %i' {} + | sort >"$work/before"
	grade half
	comes_to graded 36 || return
	find "$out/results" -type f -exec stat -c '%n %Y %s %i' {} + | sort >"$work/after"
	cmp -s "$work/before" "$work/after" || fail "A result changed: $(diff "$work/before" "$work/after")"
}

usage() {
	for words in '' "$out" "$out $lab" "$out lab-9 half" "$out $lab ../half"; do
		# shellcheck disable=SC2086 # words
		grading/one $words >"$work/said" 2>&1 && got=0 || got=$?
		[ "$got" -eq 2 ] || fail "grading/one $words ended with $got, not 2." || return
	done
	GRADING_SECONDS=many grading/one "$out" "$lab" half >"$work/said" 2>&1 && got=0 || got=$?
	[ "$got" -eq 2 ] || fail "With GRADING_SECONDS=many it ended with $got, not 2."
}

# ---- what goes wrong on the host --------------------------------------------------

# is_trouble WORDS: nobody got a grade; and it says why.
is_trouble() {
	[ "$got" -eq 75 ] || fail "It ended with $got, not 75: $(cat "$work/said")" || return
	[ -z "$state" ] || fail "There is a result: $state." || return
	grep -q "$1" "$out/trouble/$lab-$2.log" || fail "\"$1\" is not in: $(cat "$out/trouble/$lab-$2.log")"
}

# with_bwrap SCRIPT HASH: grades it where that stands in the place of bubblewrap.
with_bwrap() {
	mkdir -p "$work/bin"
	printf '#!/bin/sh\n%s\n' "$1" >"$work/bin/bwrap"
	chmod +x "$work/bin/bwrap"
	path=$PATH
	PATH=$work/bin:$PATH
	grade "$2"
	PATH=$path
}

no_jail() {
	take host <"$work/cut/dma_m2m.c"
	with_bwrap 'echo "bwrap: no namespace for you" >&2; exit 1' host
	is_trouble 'no namespace for you' host
}

# The machine's jail has a /proc. It is killed, as by a system out of memory, while the
# module that it loads sleeps.
killed_machine() {
	source_of sleeps-in-init | take killed
	# shellcheck disable=SC2016 # for that script
	with_bwrap 'case "$*" in *" --proc "*) timeout -s KILL 10 /usr/bin/bwrap "$@"; exit 137 ;; esac
		exec /usr/bin/bwrap "$@"' killed
	is_trouble 'QEMU ended with status 137' killed
}

killed_compiler() {
	# shellcheck disable=SC2016 # for that script
	with_bwrap 'case "$*" in *" /kbuild "*) echo "Killed signal terminated program cc1"; exit 137 ;; esac
		exec /usr/bin/bwrap "$@"' host
	is_trouble 'Killed signal' host
}

# On the way to the host a word is changed; not the second time.
invalid_once() {
	{ cat "$work/cut/dma_m2m.c" && echo '/* once more */'; } | take doubted
	# shellcheck disable=SC2016 # for that script
	with_bwrap 'case "$*" in *" --proc "*) [ -e "$0.changed" ] || {
			: >"$0.changed"
			/usr/bin/bwrap "$@" | sed -u "s/^# code 3: .*/# code 3: 0123456789abcdef/"
			exit
		} ;; esac
		exec /usr/bin/bwrap "$@"' doubted
	comes_to graded 36 || return
	grep -q '^  "a run was invalid: .*step 3' "$result/result.json" ||
		fail "Nobody hears of it: $(sed -n '/"look"/,/]/p' "$result/result.json")"
}

# A disk of so many KiB for what is temporary. What fails last is the trace.
full_disk() {
	mkdir -p "$work/small"
	for size in 64 6000; do
		# shellcheck disable=SC2016 # for the inner shell
		unshare -rm sh -c 'mount -t tmpfs -o "size=$1k" none "$2" && TMPDIR=$2 exec grading/one "$3" "$4" host' \
			sh "$size" "$work/small" "$out" "$lab" >"$work/said" 2>&1 && got=0 || got=$?
		read_result host
		[ "$got" -eq 75 ] && [ -z "$state" ] || fail "On a disk of $size KiB: $got, $state: $(cat "$work/said")" || return
	done
}

mended() {
	grade host
	comes_to graded 36 || return
	[ ! -e "$out/trouble/$lab-host.log" ] || fail 'The trouble is over, and still told.'
}

# ---- attacks ------------------------------------------------------------------------

# All are run beforehand, some at once, as many of them wait.
run_attacks() {
	for attack in $attacks; do
		source_of "$attack" | take "$attack"
		echo "$(header "$attack" Seconds | grep . || echo 180) $attack"
	done >"$work/list"
	# shellcheck disable=SC2016 # for each process's own shell
	xargs -L 1 -P 3 sh -c 'GRADING_SECONDS=$2 timeout -s KILL 1200 grading/one "$0" "$1" "$3" \
		>"$0/$3.said" 2>&1 || echo $? >"$0/$3.status"' "$out" "$lab" <"$work/list"
}

# What "Never" and the canary say may not be found in anything that was stored.
shows_nothing() {
	! grep -rqF "$canary" "$result" || fail 'It has seen the canary.' || return
	never=$(header "$name" Never)
	[ -n "$never" ] || return 0
	[ "$never" != @ESCAPE@ ] || never=$(printf '\033')
	! grep -rqF -- "$never" "$result" || fail "The result has \"$never\"."
}

withstood() {
	got=$(cat "$out/$name.status" 2>/dev/null || echo 0)
	cp "$out/$name.said" "$work/said"
	read_result "$name"
	comes_to "$(header "$name" Status)" "${points:-0}" || return
	most=$(header "$name" Points)
	[ "$points" -le "$most" ] || fail "It has $points points, where $most is the most." || return
	large=$(find "$result" -type f -size +600k)
	[ -z "$large" ] || fail "These are large: $large" || return
	shows_nothing
}

# A row an attack: its name, the first sentences of its header, what must happen.
list() {
	printf '| attack | what it does | what must come of it |\n|---|---|---|\n'
	for name in $(cd tests/attacks && echo *); do
		does=$(sed -n '/^ \* /!d; /^ \* Status:/q; s/^ \* //p' "tests/attacks/$name" | paste -sd ' ' | sed 's/|/or/g')
		# shellcheck disable=SC2016 # for the table
		never=$(header "$name" Never | sed 's/.*/; nowhere `&`/; s/`@ESCAPE@`/an escape character/')
		echo "| \`$name\` | $does | $(header "$name" Status), $(header "$name" Points) points at most$never |"
	done
}

are_listed() {
	sed -n '/^<!-- tests\/grading-one.sh list -->$/,/^<!-- end/p' grading/README.md | sed '1d;$d' >"$work/listed"
	list | diff "$work/listed" - >"$work/diff" ||
		fail "grading/README.md is to have what tests/grading-one.sh list says: $(cat "$work/diff")"
}

others_are_unchanged() {
	sha256sum --quiet -c "$work/sums" >"$work/said" 2>&1 || fail "$(cat "$work/said")" || return
	[ "$(cat "$out/canary")" = "$canary" ] || fail 'The canary is gone.'
}

case ${1-some} in
list)
	list
	exit
	;;
some) attacks=$some ;;
all) attacks=$(cd tests/attacks && echo *) ;;
*) attacks=$* ;;
esac
out=$work/out
canary="a canary of number $$ sings"
echo "$canary" >"$work/canary"
mkdir -p "$out"
cp "$work/canary" "$out/canary"
# shellcheck disable=SC2086 # a list of words
set -- $attacks
plan $((13 + $#))
step "a right driver gets full points" full_points
step "with four steps solved, it gets exactly their points, and the next has a hint" half_the_steps
step "what does not build says so, and why" does_not_build
step "what was graded is not graded again" graded_once
step "a wrong call is told" usage
step "without a jail, nobody is graded" no_jail
step "when the machine is killed, nobody is graded" killed_machine
step "when the compiler is killed, nobody is graded" killed_compiler
step "what is invalid once is run again, and a person hears of it" invalid_once
step "when the disk is full, nobody is graded" full_disk
step "when that is mended, the grade is right" mended
find "$out/results" -type f -exec sha256sum {} + >"$work/sums"
run_attacks
for name in $attacks; do
	step "attack: $name: $(header "$name" Status), $(header "$name" Points) points at most" withstood
done
step "no other's result has changed" others_are_unchanged
step "each attack is listed, with what must come of it" are_listed
finish

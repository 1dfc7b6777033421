#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make grade ENGINE=slurm, on a cluster of two nodes that this machine plays. A double in
# the place of grading/one waits instead of computing, so that two nodes can be faster
# than one whatever this machine has.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/expect.sh
. tests/lib/expect.sh
# shellcheck source=tests/lib/cluster.sh
. tests/lib/cluster.sh

ONE=$PWD/tests/lib/grading-double ENGINE=slurm
export ONE ENGINE
unset ROSTER DEADLINES TIMES JOBS AGAIN LIMIT GRADER
in=$work/in out=$work/reports

# class_of NUMBER LINE...: so many students, each with a submission of its own.
class_of() {
	rm -rf "$in" "$out"
	for n in $(seq "$1"); do
		mkdir -p "$in/s$n"
		printf '// double: %s\n' "passed $((n % 8 + 1))" "$2" "nobody else: $n" >"$in/s$n/dma_m2m.c"
	done
}

grade() {
	grading/class "$in" "$out" >"$work/out" 2>"$work/err" && got=0 || got=$?
}

# all_have_points NUMBER: as many as the double gives them.
all_have_points() {
	for n in $(seq "$1"); do
		awk -v n="$((n % 8 + 1))" '$1 == n { print $2 }' grading/points/lab-1-dma-m2m | sed "s/.*/s$n lab-1-dma-m2m & of 80/"
	done | sort >"$work/right"
	tr -s ' ' <"$out/results.txt" | sort | diff "$work/right" - >"$work/diff" || fail "$(cat "$work/diff" "$work/err")"
}

cluster_grades() {
	slurm_is_here && start_cluster 2 || return
	class_of 9 'wait 0'
	grade
	[ "$got" -eq 0 ] || fail "$(cat "$work/err")" || return
	all_have_points 9
}

# measure: sets $took, the milliseconds from the list of 32 submissions, which wait two
# seconds each, to their last result.
measure() {
	class_of 32 'wait 2'
	grade
	[ "$got" -eq 0 ] || fail "$(cat "$work/err")" || return
	all_have_points 32 || return
	took=$(find "$out/slurm/1/list" "$out/results" -name list -printf '%T@\n' -o -name result.json -printf '%T@\n' |
		sort -n | awk 'NR == 1 { begun = $1 } END { printf "%d", ($1 - begun) * 1000 }')
}

two_are_faster() {
	slurm_is_here || return
	scontrol update nodename=node2 state=drain reason=test
	measure || return
	one=$took
	scontrol update nodename=node2 state=resume
	soon state_of node2 idle || fail "$(sinfo)" || return
	measure || return
	echo "# 32 submissions that wait two seconds each: $one ms on one node, $took ms on two"
	[ $((one * 10)) -ge $((took * 18)) ] || fail "Two nodes are not 1.8 times as fast: $one ms and $took ms."
}

# How many have been graded.
graded() {
	[ "$(find "$out/results" -name result.json 2>/dev/null | wc -l)" -ge "$1" ]
}

loses_nothing() {
	slurm_is_here || return
	class_of 24 'wait 1'
	grading/class "$in" "$out" >"$work/out" 2>"$work/err" &
	soon graded 6 || fail "$(cat "$work/err")" || return
	squeue -h -r -w node2 -t RUNNING >"$work/there"
	kill_node node2
	[ -s "$work/there" ] || fail 'Nothing ran on the node that was killed.' || return
	wait $! && got=0 || got=$?
	[ "$got" -eq 0 ] || fail "$(cat "$work/err")" || return
	all_have_points 24 || return
	[ "$(ls "$out/slurm")" = 1 ] || fail "It was not Slurm that began them again: $(cat "$work/err")" || return
	grep -q 'Requeuing\|requeue' "$cluster/slurmctld.log" || fail "$(tail "$cluster/slurmctld.log")"
}

trouble_is_tried_again() {
	slurm_is_here || return
	class_of 4 'trouble 3'
	echo '// double: trouble 99' >"$in/s3/dma_m2m.c"
	grade
	expect 75 'not graded, as the host is in trouble: 1 of 4' &&
		[ "$(wc -l <"$out/calls")" -eq 16 ] || fail "$(cat "$out/calls")" || return
	grep -q '^s3 *lab-1-dma-m2m  not graded' "$out/results.txt" || fail "$(cat "$out/results.txt")"
}

can_be_stopped() {
	slurm_is_here || return
	class_of 8 'wait 600'
	grading/class "$in" "$out" >"$work/out" 2>"$work/err" &
	soon test -s "$out/calls" || fail "$(cat "$work/err")" || return
	kill -s TERM $!
	wait $! && got=0 || got=$?
	expect 130 'goes on from there' || return
	soon nothing_runs || fail "There still runs: $(squeue)"
}

nothing_runs() {
	[ -z "$(squeue -h)" ]
}

trap 'stop_cluster; rm -rf "$work"' EXIT
plan 5
step "a cluster of two nodes grades a class" cluster_grades
step "two nodes are 1.8 times as fast as one" two_are_faster
step "a node that dies loses nothing" loses_nothing
step "trouble is tried again, three times" trouble_is_tried_again
step "a class can be stopped, and leaves no job" can_be_stopped
finish

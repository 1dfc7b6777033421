#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make grade, from what students hand in to the tables. In the place of grading/one is a
# double that says of a submission what the submission says of itself.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/expect.sh
. tests/lib/expect.sh

ONE=$PWD/tests/lib/grading-double
export ONE
unset ROSTER DEADLINES TIMES ENGINE JOBS AGAIN LIMIT GRADER

# grade [NAME=VALUE...]: of $in to $out; sets $got.
grade() {
	env "$@" grading/class "$in" "$out" >"$work/out" 2>"$work/err" && got=0 || got=$?
}

# grades [NAME=VALUE...]: the same, and there is no trouble.
grades() {
	grade "$@"
	[ "$got" -eq 0 ] || fail "The exit status was $got: $(cat "$work/err")"
}

# begin: nothing handed in, nothing graded.
begin() {
	in=$work/in out=$work/reports
	rm -rf "$in" "$out"
	mkdir "$in"
}

# hands_in STUDENT LINE...: a lab 1, whose double: lines are these.
hands_in() {
	student=$in/$1
	shift
	mkdir -p "$student"
	for line in "$@"; do
		echo "// double: $line"
	done >"$student/dma_m2m.c"
}

# says FILE LINE: it has that line.
says() {
	grep -qxF -- "$2" "$out/$1" || fail "\"$2\" is no line of $1:
$(head -n 40 "$out/$1")"
}

calls() {
	[ "$(wc -l <"$out/calls")" -eq "$1" ] ||
		fail "grading/one graded $(wc -l <"$out/calls") times, not $1: $(cat "$work/err")"
}

# ---- what is taken ----------------------------------------------------------

# pack FOLDER HOW FILE: as students do.
pack() {
	case $2 in
	tar) tar -C "$1" -cf "$3.tar" . ;;
	tar.gz) tar -C "$1/.." -czf "$3.tar.gz" "$(basename "$1")" ;;
	tar.xz) tar -C "$1" -cJf "$3.tar.xz" . ;;
	zip) (cd "$1" && zip -qr "$3.zip" .) ;;
	esac
}

# Each way, a driver that has its own points.
takes_each_kind() {
	begin
	made=0
	for at in dma_m2m.c lab-1-dma-m2m/dma_m2m.c labs/lab-1-dma-m2m/dma_m2m.c; do
		mkdir -p "$work/way/labs" "$work/way/$(dirname "$at")"
		for how in tar tar.gz tar.xz zip; do
			made=$((made + 1))
			echo "// double: passed $((made % 8 + 1))" >"$work/way/$at"
			pack "$work/way" "$how" "$in/student-$made"
		done
		cp -r "$work/way" "$in/folder-$made"
		rm -r "$work/way"
	done
	grades || return
	[ "$(grep -c ' of 80$' "$out/results.txt")" -eq 15 ] || fail "$(cat "$out/results.txt")" || return
	! grep -q " 80 of 80" "$out/results.txt" || fail "One is not what was handed in: $(cat "$out/results.txt")"
}

takes_several_labs() {
	begin
	mkdir -p "$in/ada/driver" "$in/ada/lab-3-sg/driver"
	echo '// double: passed 1' >"$in/ada/dma_m2m.c"
	echo '// double: passed 1 2' >"$in/ada/driver/dma_mmap_driver.c"
	echo '// double: passed 1 2 3' >"$in/ada/lab-3-sg/driver/dma_sg_driver.c"
	cp -r labs "$in/whole"
	cp "$in/ada/dma_m2m.c" "$in/whole/lab-1-dma-m2m"
	mkdir -p "$in/untouched/labs" && cp -r labs/lab-2-dma-mmap "$in/untouched/labs"
	grades && says results.txt 'ada        lab-1-dma-m2m   8 of 80' &&
		says results.txt 'ada        lab-2-dma-mmap  12 of 80' &&
		says results.txt 'ada        lab-3-sg        22 of 80' &&
		says results.txt 'untouched  lab-2-dma-mmap  80 of 80' || return
	[ "$(grep -c ^whole "$out/results.txt")" -eq 1 ] ||
		fail "Labs that were never touched count as handed in: $(cat "$out/results.txt")"
}

# moodle NAME FILE: in what Moodle hands out, a folder of that name has this file; of the first
# one the double passes step 1, of the next one step 2.
moodle() {
	made=$((made + 1))
	mkdir -p "$in/$1" "$work/one"
	echo "// double: passed $made" >"$work/one/dma_m2m.c"
	(cd "$work/one" && case $2 in
		*.zip) zip -q "$in/$1/$2" dma_m2m.c ;;
		*.tar.gz) tar -czf "$in/$1/$2" dma_m2m.c ;;
		*) cp dma_m2m.c "$in/$1/$2" ;;
	esac)
}

# By the names on the roster, however they are written; a folder's only archive is opened.
takes_what_moodle_hands_out() {
	begin
	made=0
	moodle 'Ada Lovelace_1815_assignsubmission_file_' dma_m2m.c
	moodle 'Seán OCasey_1880_assignsubmission_file' 'my lab.zip'
	: >"$in/Seán OCasey_1880_assignsubmission_file/report.pdf"
	moodle 'Bo 7 b_7_assignsubmission_file_' lab1.tar.gz && : >"$in/Bo 7 b_7_assignsubmission_file_/.DS_Store"
	moodle 'Al_8_assignsubmission_file_' lab.zip
	moodle 'Al_8_assignsubmission_onlinetext_' onlinetext.html
	moodle 'Eve_9_assignsubmission_file_' lab.zip
	mv "$in/Al_8_assignsubmission_file_/lab.zip" "$in/Al_8_assignsubmission_file_lab.zip"
	rmdir "$in/Al_8_assignsubmission_file_"
	printf 'id,name\na1,Ada Lovelace\na2,Sea\314\201n O'"'"'Casey\na3,Bo_7 b\na4,Al\na5,Twin\na6,Twin\n' >"$work/roster.csv"
	mkdir "$in/Twin_5_assignsubmission_file_" "$in/link" "$in/other" "$in/two"
	: >"$in/two/lab1.zip" && : >"$in/two/lab2.tar.gz"
	ln -s "$work/one" "$in/link/lab.zip"
	ln -s "$work/one/dma_m2m.c" "$in/other/lab.zip"
	grades ROSTER="$work/roster.csv" || return
	for line in 'a1 .* 8 of 80$' 'a2 .* 6 of 80$' 'a3 .* 10 of 80$' 'a4 .* 12 of 80$' \
		'Eve_9.*of that name ROSTER= has 0: rename it' 'Twin_5.*of that name ROSTER= has 2: rename it'; do
		grep -q "^$line" "$out/results.txt" || fail "$line: $(cat "$out/results.txt")" || return
	done
	! grep onlinetext "$out/results.txt" || fail 'What Moodle has besides is told.' || return
	says intake.txt 'link: lab.zip: a link' && says intake.txt 'other: refused: it is a link' &&
		says intake.txt 'two: lab1.zip: an archive: one is opened, when there is neither a source nor a folder beside it' &&
		says intake.txt 'a2: found by the name: Seán OCasey_1880_assignsubmission_file' || return
	printf '1,2027-01-31,5,2027-02-03\n' >"$work/deadlines.csv"
	printf 'a1,2027-01-31\na2,2027-01-31\na3,2027-01-31\n' >"$work/times.csv"
	refuses 'TIMES= of what comes from Moodle, and it has none of 1: a4' env ROSTER="$work/roster.csv" \
		DEADLINES="$work/deadlines.csv" TIMES="$work/times.csv" grading/class "$in" "$out" || return
	refuses 'nothing in it is what a lab takes.*of 9: Moodle tells a name' grading/class "$in" "$out" || return
	says intake.txt 'Eve_9_assignsubmission_file_: Moodle tells a name, and no id: ROSTER= has to tell that'
}

# Of such names the end is the student's: it may hold what a terminal or a file cannot take.
hostile_names_from_moodle() {
	begin
	made=0
	moodle 'Ada_1_assignsubmission_file_' lab.zip
	for end in "$(printf 'x\377')" "$(printf 'y\033[31m\r\342\200\256')" 'z_2_assignsubmission_file_'; do
		cp "$in/Ada_1_assignsubmission_file_/lab.zip" "$in/Ada_1_assignsubmission_file_$end.zip"
	done
	hands_in well 'passed 2'
	printf 'a1,Ada\n' >"$work/roster.csv"
	grades ROSTER="$work/roster.csv" || return
	! grep -qP '[\x00-\x09\x0b-\x1f\x7f]|\xe2\x80\xae' "$out/results.txt" "$out/intake.txt" ||
		fail "$(cat -v "$out/results.txt")" || return
	grep -q '^a1 .*x\\udcff.zip.*y\\x1b\[31m\\r\\u202e.zip.*z_2_' "$out/results.txt" || fail "$(cat -v "$out/results.txt")"
}

# ---- attacks ----------------------------------------------------------------

# attack_is_met NAME TAKEN WORDS: see tests/lib/hostile-submissions.
attack_is_met() {
	name=${1# }
	grep -F -- "$name: " "$out/intake.txt" >"$work/said" || true
	grep -qF -- "$3" "$work/said" || fail "$name: \"$3\" is not said: $(cat "$work/said")" || return
	case $name:$(grep -cE ': lab-[123][a-z0-9-]*: [0-9a-f]{32}$' "$work/said") in
	*:0) taken=- ;;
	*:1) taken=$(cat "$out/taken/$(sed -n 's/.*: lab-[123][a-z0-9-]*: //p' "$work/said")"/*.c \
		"$out/taken/$(sed -n 's/.*: lab-[123][a-z0-9-]*: //p' "$work/said")"/driver/*.c 2>/dev/null | cut -c 4-) ;;
	*) taken=several ;;
	esac
	[ "$taken" = "$2" ] || fail "$name: \"$taken\" was taken, not \"$2\": $(cat "$work/said")"
}

all_attacks_are_met() {
	begin
	echo "canary $$" >"$work/canary"
	tests/lib/hostile-submissions "$in" "$work/canary" >"$work/attacks" || fail 'no attacks' || return
	hands_in zoe 'passed 1 2'
	find "$work" -path "$out" -prune -o -print | sort >"$work/before"
	grades || return
	while IFS='|' read -r name taken words; do
		attack_is_met "$name" "$taken" "$words" || return
	done <"$work/attacks"
}

attacks_reach_nothing() {
	! grep -rqF "$(cat "$work/canary")" "$out" || fail "The canary was read: $(grep -rlF canary "$out")" || return
	find "$work" -path "$out" -prune -o -print | sort >"$work/after"
	diff "$work/before" "$work/after" | grep '^[<>]' >"$work/new" || :
	! grep -vE "$work/(err|out|said|after|before)\$" "$work/new" || fail "Something is new: $(cat "$work/new")" || return
	left=$(find "$out" -type l -o -name '.*' -mindepth 2 -o -name '*[![:print:]]*')
	[ -z "$left" ] || fail "This should not be there: $left" || return
	says results.txt "$(printf '%-65s  lab-1-dma-m2m   14 of 80' zoe)"
}

# ---- the queue --------------------------------------------------------------

one_grades_for_all() {
	begin
	for student in a b c a1 a2 a3 a4 a5 a6; do
		hands_in "$student" 'passed 1'
	done
	hands_in d 'passed 1 2'
	grades && calls 2 && says results.txt 'c   lab-1-dma-m2m  8 of 80'
}

# said COUNT WORDS: of so many, that became of them.
said() {
	[ "$(grep -c "^==> .*: $2\$" "$work/err")" -eq "$1" ] || fail "It does not say \"$2\" $1 times: $(cat "$work/err")"
}

only_what_changed() {
	grades && calls 2 && said 2 'graded before' || return
	hands_in b 'passed 1 2 3'
	grades && calls 3 && says results.txt 'b   lab-1-dma-m2m  24 of 80' &&
		says results.txt 'a   lab-1-dma-m2m  8 of 80' || return
	grades GRADER=eeeeeeee && calls 6 && said 3 graded
}

trouble_is_tried_again() {
	begin
	hands_in lucky 'trouble 3' 'passed 1'
	hands_in unlucky 'trouble 9'
	hands_in killed 'die 9'
	hands_in well 'passed 1 2'
	grade
	expect 75 'not graded, as the host is in trouble: 2 of 4' && calls 13 &&
		says results.txt 'lucky    lab-1-dma-m2m  8 of 80' &&
		says results.txt 'killed   lab-1-dma-m2m  not graded' &&
		says results.txt 'unlucky  lab-1-dma-m2m  not graded' &&
		says results.txt 'well     lab-1-dma-m2m  14 of 80'
}

# What never ends is ended, and the others are not kept waiting: those before it in the
# queue, nor those behind.
endless_is_ended() {
	begin
	hands_in endless 'wait 9999'
	for n in 1 2 3 4; do
		hands_in "well$n" "passed $n"
	done
	grade LIMIT=4 JOBS=1
	expect 75 'endless: killed by signal 15: it was ended after 4 s' &&
		expect 75 'not graded, as the host is in trouble: 1 of 5' &&
		says results.txt 'well2    lab-1-dma-m2m  6 of 80'
}

# stopped_by SIGNAL
stopped_by() {
	begin
	for n in 1 2 3 4; do
		hands_in "quick$n" "passed $n"
	done
	hands_in slow 'wait 100'
	env --default-signal JOBS=2 setsid grading/class "$in" "$out" >"$work/out" 2>"$work/err" &
	soon grep -q '4 of 5' "$work/err" || fail "$(cat "$work/err")" || return
	kill -s "$1" $!
	wait $! && got=0 || got=$?
}

can_be_stopped() {
	for signal in TERM HUP INT; do
		stopped_by "$signal"
		expect 130 'the same command goes on from there' || return
		! pgrep -f "grading-double $out" >"$work/left" || fail "There still runs: $(cat "$work/left")" || return
		hands_in slow 'wait 0' 'passed 5'
		grades && says results.txt 'slow    lab-1-dma-m2m  10 of 80' && calls 6 || return
	done
}

# However it ends: what is done is there, and what it had started ends. So does what had
# hardly begun: here, each has a parent no more when it asks to end with it.
can_be_killed() {
	mkdir -p "$work/bin"
	# shellcheck disable=SC2016 # for that script
	printf '#!/bin/sh\nsleep 1\nexec /usr/bin/setpriv "$@"\n' >"$work/bin/setpriv"
	chmod +x "$work/bin/setpriv"
	begin
	hands_in slow 'wait 100'
	env PATH="$work/bin:$PATH" grading/class "$in" "$out" >"$work/out" 2>"$work/err" &
	soon pgrep -f "setpriv .* $out" >/dev/null || fail "$(cat "$work/err")" || return
	kill -s KILL $!
	wait $! || :
	soon nothing_of "$out" || fail "There still runs: $(pgrep -af "$out")" || return
	[ ! -e "$out/calls" ] || fail 'It has begun without a parent.' || return
	stopped_by KILL
	[ "$got" -eq 137 ] || fail "It was not killed: $got" || return
	soon nothing_of "grading-double $out" || fail "There still runs: $(pgrep -af "grading-double $out")" || return
	hands_in slow 'passed 5'
	grades && calls 6
}

# nothing_of WORDS: no process has them.
nothing_of() {
	! pgrep -f "$1" >/dev/null
}

one_at_a_time() {
	begin
	hands_in slow 'wait 100'
	env grading/class "$in" "$out" >"$work/out" 2>"$work/first" &
	soon test -s "$out/calls" || fail "$(cat "$work/first")" || return
	grade
	kill -s TERM $!
	expect 2 'another make grade is at work there' || return
	wait $! || :
}

says_how_far() {
	begin
	for n in 1 2 3; do
		hands_in "s$n" "passed $n"
	done
	grades || return
	grep -q '==> 3 of 3: lab-1-dma-m2m of s[123]: graded' "$work/err" || fail "$(cat "$work/err")" || return
	! grep -q "$(printf '\r')" "$work/err" || fail 'A log gets lines that redraw.' || return
	script -qc "grading/class '$in' '$work/other'" "$work/screen" >/dev/null </dev/null
	grep -q "$(printf '\r').*3 of 3 graded" "$work/screen" || fail "$(cat -v "$work/screen")"
}

wrong_words() {
	begin
	refuses 'usage: grading/class IN OUT' grading/class || return
	refuses 'nothing: there is no such folder' grading/class "$in/nothing" "$out" || return
	refuses 'is in IN: it would be taken for a student' grading/class "$in" "$in/reports" || return
	refuses 'JOBS=many: it takes a number' env JOBS=many grading/class "$in" "$out" || return
	refuses 'AGAIN=yes: it takes 1' env AGAIN=yes grading/class "$in" "$out" || return
	: >"$work/file"
	refuses "IN=$work/file: it is no folder" grading/class "$work/file" "$out" || return
	refuses "OUT=$work/file: it is a file" grading/class "$in" "$work/file" || return
	refuses 'ENGINE=cloud: it takes slurm' env ENGINE=cloud grading/class "$in" "$out" || return
	refuses 'whose, and where to? IN=' make grade || return
	mkdir -p "$out"
	echo earlier >"$out/index.html"
	refuses 'nothing in it is what a lab takes' grading/class "$in" "$out" || return
	[ "$(cat "$out/index.html")" = earlier ] || fail 'An earlier report is gone.'
}

plan 15
step "a driver is taken from folders and archives, at each place" takes_each_kind
step "several labs are handed in at once; what was not touched is not" takes_several_labs
step "what Moodle hands out is taken, by the roster's names" takes_what_moodle_hands_out
step "names from Moodle do no harm" hostile_names_from_moodle
step "each attack on the intake is met, and said" all_attacks_are_met
step "none of them has reached anything" attacks_reach_nothing
step "the same submission of several is graded once" one_grades_for_all
step "what has not changed is not graded again" only_what_changed
step "trouble is tried again, three times, and is no zero" trouble_is_tried_again
step "what never ends is ended" endless_is_ended
step "a class can be stopped, and goes on from there" can_be_stopped
step "it can be killed, and goes on from there" can_be_killed
step "two do not work in one folder" one_at_a_time
step "it says how far it is, on a terminal and in a log" says_how_far
step "wrong words are told what is right" wrong_words
finish

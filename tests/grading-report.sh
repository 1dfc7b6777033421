#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What comes of a graded class: points less lateness, tables, pages. All text in it is
# hostile. grading/one is a double, as in tests/grading-class.sh.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/expect.sh
. tests/lib/expect.sh
# shellcheck source=tests/lib/browser.sh
. tests/lib/browser.sh

ONE=$PWD/tests/lib/grading-double
export ONE
unset ROSTER DEADLINES TIMES ENGINE JOBS AGAIN LIMIT GRADER

begin() {
	in=$work/in out=$work/reports page=$work/reports/index.html
	rm -rf "$in" "$out"
	mkdir "$in"
}

# hands_in STUDENT LINE...: a lab 1, whose double: lines are these.
hands_in() {
	mkdir -p "$in/$1"
	id=$1
	shift
	for line in "$@"; do
		printf '// double: %b\n' "$line"
	done >"$in/$id/dma_m2m.c"
}

# grades [NAME=VALUE...]
grades() {
	env "$@" grading/class "$in" "$out" >"$work/out" 2>"$work/err" || fail "$(cat "$work/err")"
}

# has FILE WORDS
has() {
	grep -qF -- "$2" "$out/$1" || fail "\"$2\" is not in $1: $(cut -c -300 "$out/$1" | grep -v '^	' | tail -n 20)"
}

# has_not FILE WORDS
has_not() {
	! grep -F -- "$2" "$out/$1" >"$work/found" || fail "\"$2\" is in $1: $(cut -c -300 "$work/found")"
}

# ---- points -----------------------------------------------------------------

# is_late TIME POINTS DAYS: of 40 points, 5 a day lost, until the third.
is_late() {
	printf 'id,time\nada,%s\n' "$1" >"$work/times.csv"
	grades "DEADLINES=$work/deadlines.csv" "TIMES=$work/times.csv" TZ=UTC || return
	lost=$(awk "BEGIN { print 46 - $2 }")
	grep -q "^ada,,,lab-1-dma-m2m,graded,[0-9: -]*,$3,46,$lost,$2,80," "$out/grades.csv" ||
		fail "Handed in at $1: $(cat "$out/grades.csv")"
}

loses_points_a_day() {
	begin
	hands_in ada 'passed 1 2 3 4 5'
	printf '# for lab 1\nlab,deadline,points a day,last day\n1,2027-01-31,5,2027-02-03\n' >"$work/deadlines.csv"
	is_late 2027-01-01 46 0 && is_late '2027-01-31 23:59:59' 46 0 && is_late '2027-02-01 00:00' 41 1 &&
		is_late '2027-02-01 23:59:59' 41 1 && is_late '2027-02-02 00:00' 36 2 &&
		is_late '2027-02-03 23:59:59' 31 3 && is_late '2027-02-04 00:00' 0 4 || return
	printf 'lab;deadline;points a day;last day\nlab-1-dma-m2m;2027-01-31 12:00;30;2028-01-01\n' >"$work/deadlines.csv"
	is_late '2027-01-31 12:00' 46 0 && is_late '2027-01-31T12:00:01' 16 1 && is_late 2027-03-01 0 30 || return
	printf '# Kurs, WS\n1;31.1.2027 12:00;2,5;1.2.2027\n' >"$work/deadlines.csv"
	is_late '31.1.2027 12:00' 46 0 && is_late '1.2.2027 9:00' 43.5 1 && is_late 2.2.2027 0 3
}

# Of a folder, the time of its file; of an archive, its own: those in it are the student's.
time_is_the_file_s() {
	begin
	hands_in ada 'passed 1 2 3 4 5'
	touch -d '2027-02-01T01:00Z' "$in/ada/dma_m2m.c"
	tar -C "$in/ada" --mtime=1999-01-01 -cf "$in/bob.tar" dma_m2m.c
	touch -d '2027-02-02T01:00Z' "$in/bob.tar"
	printf '1,2027-01-31,5,2027-03-01\n' >"$work/deadlines.csv"
	grades "DEADLINES=$work/deadlines.csv" TZ=UTC && has grades.csv 'ada,,,lab-1-dma-m2m,graded,2027-02-01 01:00:00,1,46,5,41,80' &&
		has grades.csv 'bob,,,lab-1-dma-m2m,graded,2027-02-02 01:00:00,2,46,10,36,80' &&
		has results.txt 'ada  lab-1-dma-m2m  41 of 80, 1 day late' &&
		has results.txt 'bob  lab-1-dma-m2m  36 of 80, 2 days late'
}

knows_the_roster() {
	begin
	hands_in ada 'passed 1'
	hands_in eve 'passed 1 2'
	printf '\357\273\277id,name,email\nada,Ada Lovelace,ada@example.org\nbob,Bob\n' >"$work/roster.csv"
	grades "ROSTER=$work/roster.csv" && has grades.csv 'ada,Ada Lovelace,ada@example.org,lab-1-dma-m2m,graded' &&
		has grades.csv 'bob,Bob,,lab-1-dma-m2m,not handed in,,,,,,,,' && has moodle.csv 'bob,,,not handed in' &&
		has canvas.csv 'Ada Lovelace,,ada,,,8' && has canvas.csv '    Points Possible,,,,,80' &&
		has index.html 'Nothing handed in: bob.' && has students/bob.html 'Nothing was handed in.' &&
		has index.html 'not on the roster' || return
	rm -r "$in/eve" && grades || return
	[ "$(ls "$out/students")" = ada.html ] || fail 'The page stays of a student who is gone.' || return
	printf '# Kurs, WS 26/27\nMatrikelnummer;Name;E-Mail\nada;Ada;\nbob;Bob;b@example.org\n' >"$work/WS26.csv"
	printf 'bob,2027-01-31\ncid,2027-01-31\n' >"$work/times.csv"
	grades "ROSTER=$work/WS26.csv" "TIMES=$work/times.csv" && has_not moodle.csv Matrikel &&
		has index.html '2 students, of whom 1 handed in (roster: WS26.csv, deadlines: none, times: times.csv)' || return
	grep -q 'TIMES= has who is nowhere else: cid$' "$work/err" || fail "$(cat "$work/err")"
}

# A grade that is not there is no zero.
no_grade_is_empty() {
	begin
	hands_in ada 'trouble 99'
	hands_in bob 'passed 1' 'status invalid' 'why it lies'
	echo hello >"$in/eve.zip"
	env grading/class "$in" "$out" >"$work/out" 2>"$work/err" || got=$?
	expect 75 'not graded' && has moodle.csv 'ada,,,not graded' && has moodle.csv 'bob,,0,invalid: it lies.' &&
		has grades.csv 'eve,,,lab-1-dma-m2m,refused' && has moodle.csv 'eve,,,refused: it cannot be read: ' && has canvas.csv 'eve,,eve,,,' &&
		has students/ada.html 'That costs no points' && has students/eve.html 'What was handed in was refused'
}

# wrong_table NAME WORDS LINE...: says so, and grades nothing.
wrong_table() {
	table=$1 words=$2
	shift 2
	printf '%b\n' "$@" >"$work/table.csv"
	refuses "$words" env "$table=$work/table.csv" grading/class "$in" "$out" || return
	[ ! -e "$out/taken" ] || fail 'It has begun, nevertheless.'
}

# What a person has to decide, or a student has to know, is not to be searched for.
tells_what_matters() {
	begin
	hands_in ada 'passed 1' 'hint 2 (a part of it)' 'hint 2 The channel is another.'
	hands_in bob passed 'status not built' 'why the compiler does not take it'
	hands_in eve 'passed 1'
	{ echo '/* mine */' && sed 's/ = / =  /' solutions/lab-1-dma-m2m/dma_m2m.c; } >"$in/eve/dma_m2m.c"
	grades && has moodle.csv 'Step 2 fails: The channel is another.' &&
		has index.html 'lab-1-dma-m2m: not built: the compiler does not take it' &&
		has students/bob.html '<details open="">' && has_not students/ada.html '<details open' || return
	grep -oE 'eve</span></a></th><td>[^<]*' "$page" | grep -q 'own solution, but for comments and spaces' ||
		fail "The solution is handed in, and nobody hears of it." || return
	[ "$(grep -o 'own solution' "$page" | wc -l)" -eq 1 ] || fail 'Others are said to be the solution.'
}

wrong_tables() {
	begin
	hands_in ada
	wrong_table ROSTER 'table.csv:2: "ada" is there twice' ada,Ada ada,Ada &&
		wrong_table ROSTER 'table.csv:1: it has 1 columns, not 2 to 3' ada &&
		wrong_table ROSTER 'it is not UTF-8' 'ada,\0344' &&
		wrong_table ROSTER '"../ada": no student has such an id' ../ada,Ada &&
		wrong_table DEADLINES 'there is no lab "4": lab-1-dma-m2m, lab-2' 4,2027-01-01,5,2027-01-01 &&
		wrong_table DEADLINES '"soon" is no time: 2027-01-31' 1,soon,5,2027-01-01 &&
		wrong_table DEADLINES 'lab 1: the last day, 2026-01-01, is before the deadline' 1,2027-01-01,5,2026-01-01 &&
		wrong_table ROSTER '"No. 1": no student.*a heading begins with id' 'No. 1,Name' ada,Ada &&
		wrong_table DEADLINES '"-5" are no points a day' 1,2027-01-01,-5,2027-01-01 &&
		wrong_table TIMES '"31.1." is no time' ada,31.1. || return
	refuses 'ROSTER=/nowhere: No such file' env ROSTER=/nowhere grading/class "$in" "$out"
}

# ---- a second grading -------------------------------------------------------

second_grading() {
	begin
	hands_in ada 'passed 1 2'
	hands_in bob 'passed 1'
	grades && cp -r "$out/results" "$work/first" && grades AGAIN=1 &&
		has_not index.html 'graded again' || return
	[ "$(wc -l <"$out/calls")" -eq 2 ] && [ "$(wc -l <"$out/again/1/calls")" -eq 2 ] ||
		fail "Not each was graded once more." || return
	grep -qx '==> 2 graded again: as before' "$work/err" || fail "It does not say so: $(cat "$work/err")" || return
	diff -r "$work/first" "$out/results" >"$work/diff" || fail "What was there is another: $(cat "$work/diff")"
}

# In the place of the first, another: as if the grader had thrown dice.
second_grading_differs() {
	sed -i 's/"state": "passed", "points": 6/"state": "failed", "points": 0/; s/"points": 14/"points": 8/' "$out"/results/*/result.json
	grep -q '"points": 8' "$out"/results/*/result.json || fail 'The double has another form.' || return
	env AGAIN=1 grading/class "$in" "$out" >"$work/out" 2>"$work/err" && got=0 || got=$?
	expect 1 'lab-1-dma-m2m of ada: at first graded, 8 of 80 (1 passed, 2 failed' &&
		has index.html 'graded again, and otherwise: at first graded, 8 of 80' &&
		has grades.csv 'ada,,,lab-1-dma-m2m,graded' && has_not grades.csv ',14,' || return
	[ -e "$out/again/2/ended" ] || fail "$(ls -R "$out/again")"
}

# ---- hostile text -----------------------------------------------------------

# What a page may be made of.
tags='!DOCTYPE a abbr bdi body caption details div h1 h2 h3 h4 head header html li main meta nav ol p pre
section span strong style summary table tbody td th thead title tr ul'

is_inert() {
	sed '/<style>/,/<\/style>/d' "$1" >"$work/bare"
	grep -oE '<[^/][A-Za-z0-9!]*' "$work/bare" | cut -c 2- | sort -u >"$work/used"
	for tag in $tags; do
		echo "$tag"
	done | sort | comm -13 - "$work/used" >"$work/strange"
	[ ! -s "$work/strange" ] || fail "$1 has $(cat "$work/strange")" || return
	grep -oE '<[^>]*>' "$work/bare" | grep -E '[ "](on[a-z]+|src|srcset|action)=|(href|style)="[^"]*(:.*:|script|url|//)' >"$work/strange" || :
	[ ! -s "$work/strange" ] || fail "$1 has $(cat "$work/strange")" || return
	! grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xaf]' "$1" ||
		fail "$1 has characters that cannot be seen: $(grep -nP '[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80[\x8b-\x8f\xaa-\xae]' "$1" | cat -v | cut -c -300)" || return
	grep -qF "default-src &#x27;none&#x27;" "$1" || fail "$1 may load something."
}

evil='</pre></details><script>pwned()</script><img src=x onerror=pwned()>" onmouseover="pwned() &lt;b&gt; <!-- ]]>'
hostile_class() {
	begin
	hands_in mallory 'passed 1' "hint 2 $evil" "why $evil" "look $evil" "title $evil"
	hands_in trudy 'passed' 'status not built' "why $evil"
	hands_in escape 'passed 1' 'hint 2 \0033[2J\0033]0;pwned\0007 \0342\0200\0256drawkcab \0377\0376'
	hands_in oscar "status invalid" "why $evil"
	mkdir "$in/oscar/$(printf '<script>pwned()<')" && : >"$in/oscar/$(printf '<script>pwned()<')/x>"
	mkdir "$in/<b>"
	printf 'id,name,email\nmallory,"%s","=cmd()"\ntrudy,\0342\0200\0256yrros,a@b\nescape,"=HYPERLINK(1)",+1\noscar,@SUM(1),-1+2\n' \
		'<script>pwned()</script>' >"$work/roster.csv"
	grades "ROSTER=$work/roster.csv"
}

hostile_text_is_inert() {
	hostile_class || return
	for file in "$page" "$out"/students/*.html; do
		is_inert "$file" || return
	done
	has index.html '&lt;script&gt;pwned()&lt;/script&gt;' && has students/mallory.html '&lt;/pre&gt;' &&
		has students/escape.html '\x1b[2J' && has students/escape.html '\u202edrawkcab' || return
	for broken in 's/&lt;script/<script/' 's/<table/<table onclick="x"/' 's,href="students/,href="//x.example/,' \
		's/&lt;b/\x1b/' "s/default-src/x/"; do
		sed "$broken" "$page" >"$work/broken.html"
		! is_inert "$work/broken.html" || fail "This goes unnoticed: $broken" || return
	done
	hints=''
}

# Nothing in a cell begins as a formula does.
formulas_are_text() {
	! grep -nE '(^|,)"?[=+@-]' "$out"/*.csv >"$work/found" || fail "$(cat "$work/found")" || return
	has grades.csv "'=HYPERLINK(1)" && has moodle.csv "'+1" && has grades.csv "'@SUM(1)" && has grades.csv "'-1+2"
}

# What a student can make no use of.
pages_have_no_codes() {
	for words in '# code 1' '# challenge' challenges /submission/; do
		grep -rqF "$words" "$out/results" && has_not students/mallory.html "$words" || fail "\"$words\"" || return
	done
	has students/mallory.html 'in lab.c'
}

junit_is_sound() {
	for xml in "$out"/results/*/junit.xml; do
		xmllint --noout "$xml" 2>"$work/err" || fail "$(cat "$work/err")" || return
		[ "$(xmllint --xpath 'count(/testsuite/testcase)' "$xml")" -eq 8 ] || fail "$(cat "$xml")" || return
	done
	xml=$(echo "$out/results/lab-1-dma-m2m-$(sed -n 's/^mallory: lab-1-dma-m2m: //p' "$out/intake.txt")"*/junit.xml)
	[ "$(xmllint --xpath 'concat(/testsuite/@tests, " ", /testsuite/@failures, " ", /testsuite/@skipped, " ", count(//failure), " ", count(//skipped))' "$xml")" = '8 1 6 1 6' ] ||
		fail "$(cat "$xml")" || return
	xmllint --xpath 'string(//failure)' "$xml" | grep -qF '</pre></details><script>pwned()' ||
		fail "The hint is another: $(cat "$xml")"
}

# Whatever stands on a page of a student's is that student's.
pages_are_apart() {
	for student in mallory trudy escape oscar; do
		file=$out/students/$student.html
		for other in mallory trudy escape oscar; do
			[ "$other" = "$student" ] || ! sed '/<style>/,/<\/style>/d' "$file" | grep -qF "$other" ||
				fail "$other is on the page of $student." || return
		done
		grep -qF "$student" "$file" || fail "$student is not on the own page." || return
	done
}

# ---- nearly the same --------------------------------------------------------

# A driver that nobody else has written: C of its own, and the names in it.
original() {
	sed 's/^static int dma_m2m_wait/static int CLEVER(struct dma_m2m *m2m, int ODD)\n{\n\tint SUM = 0;\n\n\twhile (ODD > 3) {\n\t\tif (m2m->src == ODD \&\& SUM < 12)\n\t\t\tSUM += ODD * 7 - 2;\n\t\telse if (!SUM)\n\t\t\treturn -EBUSY;\n\t\tODD = ODD \/ 2 + (SUM << 1);\n\t}\n\tfor (SUM = 1; SUM < 9; SUM++)\n\t\tcpu_relax();\n\treturn SUM ? ODD : -EIO;\n}\n\nstatic int dma_m2m_wait/' \
		solutions/lab-1-dma-m2m/dma_m2m.c | sed "$1"
}

finds_what_is_alike() {
	begin
	mkdir "$in/copied" "$in/wrote" "$in/twin-1" "$in/twin-2" "$in/solved" "$in/solved-too"
	original '' >"$in/wrote/dma_m2m.c"
	original 's/CLEVER/mine/; s/ODD/left/g; s/SUM/x/g; s|^\twhile|\t/* My own idea! */\n&|; s/ = 0;$/=0;/' >"$in/copied/dma_m2m.c"
	cp solutions/lab-1-dma-m2m/dma_m2m.c "$in/solved"
	sed 's/dma_m2m_/my_/g; s/m2m/device/g' solutions/lab-1-dma-m2m/dma_m2m.c >"$in/solved-too/dma_m2m.c"
	for twin in twin-1 twin-2; do
		original 's/ODD > 3/ODD - 1 \& 1/; s/SUM << 1/ODD * ODD * 5 - SUM/; s/ODD \* 7/SUM * SUM + 3 - ODD/; s/SUM < 12/SUM * 4 >= ODD/; s/cpu_relax()/udelay(SUM * 2)/' >"$in/$twin/dma_m2m.c"
	done
	for wrong in tests/wrong-answers/lab-1-*.patch; do
		wrong=$(basename "$wrong" .patch)
		answer "$wrong" && mv "$work/$wrong" "$in/$wrong"
	done
	for step in 1 2 3 4 5 6 7; do
		solutions/cut 1 "$step" "$in/step-$step"
	done
	grades || return
	sed 's/<section>/\n&/g' "$page" | sed -n '/<h2 id="alike"/,/<h2 id="rest"/{/<h2 id="rest"/!p}' >"$work/alike"
	grep -q 'copied.html.*and.*wrote.html' "$work/alike" || grep -q 'wrote.html.*and.*copied.html' "$work/alike" ||
		fail "The copy is not told: $(cut -c -600 "$work/alike")" || return
	grep -q 'twin-1.html.*twin-2.html.*the same, byte by byte' "$work/alike" || fail "The twins are not told." || return
	grep -q '^[-+].*ODD' "$work/alike" && grep -q '^[-+].*left' "$work/alike" || fail 'There is no difference shown.' || return
	! grep -oE 'students/(solved|step-|lab-1)[^"]*' "$work/alike" >"$work/found" ||
		fail "This is no copy: $(cat "$work/found")"
}

# ---- for everybody ----------------------------------------------------------

has_browser() {
	command -v chromium >/dev/null || skip 'no chromium here'
}

# Tests bring a script along, which the page itself would not run.
opened() {
	sed 's/<meta http-equiv="Content-Security-Policy"[^>]*>//' "$1" >"$2"
}

shown_class() {
	hostile_class || return
	opened "$page" "$work/class.html"
	opened "$out/students/mallory.html" "$work/student.html"
	! grep -q '<meta http-equiv' "$work/class.html" "$work/student.html" || fail 'There is still a policy.'
}

pages_fit() {
	has_browser && shown_class && is_fine fits desktop "$work/class.html" && is_fine fits phone "$work/class.html" &&
		is_fine fits desktop "$work/student.html" && is_fine fits phone "$work/student.html" &&
		notices 'wider than' fits phone "$work/student.html" 's/overflow-wrap: anywhere;|white-space: pre-wrap;|overflow-wrap: break-word;|overflow-[xy]: auto;//g; s/<p>/<p style="white-space: nowrap">/g'
}

pages_shut_nobody_out() {
	has_browser || return
	tests/axe-core >"$work/out" 2>&1 || skip "$(tail -n 1 "$work/out")" || return
	for file in class student; do
		is_fine access desktop "$work/$file.html" && is_fine access phone "$work/$file.html" || return
	done
	notices 'light: ' access desktop "$work/class.html" 's/(<html) lang="[^"]*"/\1/' &&
		notices 'title' access phone "$work/class.html" 's,<title>[^<]*</title>,,' &&
		notices 'dark: ' access desktop "$work/student.html" 's/#5a1f2d/#e0909d/'
}

# Who sees no colour, and who sees nothing, is told the same.
heat_map_has_words() {
	grep -oE '<td class="[pfns]">.{0,120}' "$page" >"$work/cells"
	grep -vE '^<td class="[pfns]"><span aria-hidden="true">[✓✗·–]</span><span class="heard">(passed|failed|not reached|skipped)</span></td>' \
		"$work/cells" >"$work/found" || :
	[ -s "$work/cells" ] || fail 'There is no heat map.' || return
	[ ! -s "$work/found" ] || fail "$(head -n 3 "$work/found")"
}

# What may scroll can be reached by keyboard, and says what it is.
boxes_have_keys() {
	for file in "$page" "$out/students/mallory.html"; do
		grep -oE '<(div class="box"|pre)[^>]*>' "$file" >"$work/boxes"
		grep -vE '^<div class="box" role="region" aria-label="[^"]+" tabindex="0">$|^<pre tabindex="0">$' "$work/boxes" >"$work/found" || :
		[ -s "$work/boxes" ] && [ ! -s "$work/found" ] || fail "$(cat "$work/found")" || return
	done
}

# shellcheck source=tests/lib/answer.sh
. tests/lib/answer.sh
plan 18
step "each day that is begun costs points, until the last" loses_points_a_day
step "the time is the archive's, or that of a folder's file" time_is_the_file_s
step "the roster's names are told, and who is not there" knows_the_roster
step "where there is no grade, the cell is empty" no_grade_is_empty
step "what has to be decided stands in front" tells_what_matters
step "a table that is wrong is told by line, and nothing begins" wrong_tables
step "a second grading stands beside the first" second_grading
step "when it is another, that is told, and the first stays" second_grading_differs
step "hostile text is text" hostile_text_is_inert
step "no cell of a table is a formula" formulas_are_text
step "what only grading needs of a log is not on a page" pages_have_no_codes
step "JUnit XML has each step and its hint" junit_is_sound
step "nobody else is on a student's page" pages_are_apart
step "a copy is told, renamed or not; what all have is none" finds_what_is_alike
step "the pages fit desktop and phone" pages_fit
step "the pages shut nobody out, light and dark" pages_shut_nobody_out
step "the heat map has a sign and a word for each colour" heat_map_has_words
step "what scrolls can be scrolled by keyboard" boxes_have_keys
finish

# SPDX-License-Identifier: GPL-2.0
# Reads a lab's `steps`, then one of its sources: see solutions/cut.

function die(line, why)
{
	print (FNR == NR || reading ? lab "/steps" : source) ":" line ": " why >"/dev/stderr"
	failed = 1
	exit 2
}

# "Step 4, map" and "step 4, map" to "4 map"
function key(words)
{
	sub(/^[Ss]tep /, "", words)
	sub(/,/, "", words)
	return words
}

# Words as lines of a comment, of 80 columns with a tab of eight.
function comment(text, indent,    words, n, i, line)
{
	n = split(text, words)
	for (i = 1; i <= n; i++) {
		if (line != "" && length(line " " words[i]) > 77 - 8 * length(indent)) {
			print indent " * " line
			line = ""
		}
		line = line (line == "" ? "" : " ") words[i]
	}
	print indent " * " line
}

function todo(region, indent)
{
	print indent "/*"
	comment("TODO step " number[region] ", " name[region] ": " task[region], indent)
	print indent " *"
	comment("See " see[region] ".", indent)
	comment("Chapter: " section[region] ".", indent)
	print indent " */"
	printf "%s", stub[region]
}

function begin(region)
{
	if (open)
		die(FNR, "step " region " begins inside step " open ", of line " began)
	if (!(region in task))
		die(FNR, "there is no region \"" region "\" in " lab "/steps")
	if (region in seen)
		die(FNR, "step " region " is there twice")
	seen[region] = 1
	open = region
	began = FNR
}

function end(region)
{
	if (open != region)
		die(FNR, "step " region " ends, and " (open ? "step " open ", of line " began ", is open" : "none is open"))
	if (number[region] + 0 > upto + 0) {
		todo(region, indent)
		if (before == "")
			print ""
	}
	open = ""
}

# ---- the file `steps` -------------------------------------------------------

FNR == NR && /^#/ && !reading { next }
reading && (FNR != NR || /^(step [0-9]+:|region )/) { die(listed, "region " current " has no end") }
FNR == NR && reading == "task" && $0 == "stub" { reading = "stub"; next }
FNR == NR && reading == "stub" && $0 == "end" { reading = ""; next }
FNR == NR && reading == "task" { task[current] = task[current] $0 "\n"; next }
FNR == NR && reading == "stub" { stub[current] = stub[current] $0 "\n"; next }
FNR == NR && /^step [0-9]+: / {
	step++
	if ($2 != step ":")
		die(FNR, "step " step " was due")
	next
}
FNR == NR && /^see: / { functions = substr($0, 6); next }
FNR == NR && /^section: / { chapter = substr($0, 10); next }
FNR == NR && /^region / {
	current = step " " substr($0, 8)
	if (current in task)
		die(FNR, "region " current " is there twice")
	task[current] = ""
	listed = FNR
	number[current] = step
	name[current] = substr($0, 8)
	see[current] = functions
	section[current] = chapter
	reading = "task"
	next
}
FNR == NR && /^$/ { next }
FNR == NR { die(FNR, "this is no step, see, section or region: " $0) }

# ---- the source -------------------------------------------------------------

# A comment of several lines is a step's when its second line says so: the first
# one waits until then.
held != "" && !match($0, /^\t* \* Step [0-9]+, [a-z ]+: /) {
	if (!open || number[open] + 0 <= upto + 0)
		if (only == "" || open == only)
			print held
	held = ""
}
/^\t*\/\*$/ { held = $0; next }

match($0, /^\t*(\/| )\* Step [0-9]+, [a-z ]+: /) {
	indent = $0
	sub(/[^\t].*/, "", indent)
	words = substr($0, 1, RLENGTH - 2)
	sub(/^\t*(\/| )\* /, "", words)
	begin(key(words))
	marker = 1
}
match($0, /^\t*\/\* End of step [0-9]+, [a-z ]+\. \*\/$/) {
	words = $0
	sub(/^\t*\/\* End of step /, "", words)
	sub(/\. \*\/$/, "", words)
	end_of = key(words)
	end(end_of)
	if (only == "")
		print
	marker = 0
	next
}
!marker && /[Ss]tep [0-9]/ { die(FNR, "this is no marker of a step: " $0) }
{
	marker = 0
	before = $0
	line = (held != "" ? held "\n" : "") $0
	held = ""
	if (open && number[open] + 0 > upto + 0)
		next
	if (only == "" || open == only)
		print line
}

END {
	if (failed)
		exit 2
	if (open)
		die(FNR, "step " open ", of line " began ", has no end")
	for (region in task)
		if (!(region in seen))
			die(FNR, "region " region " of " lab "/steps is not there")
}

# SPDX-License-Identifier: GPL-2.0
# Reads a lab's `steps`, then a diff of all lines; prints a table, side by side. Each
# region of a step is an anchor, and the list above the table leads there.

function escape(text)
{
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	gsub(/>/, "\\&gt;", text)
	return text
}

# Lines that went and lines that came, one beside the other.
function flush(    i, n, id)
{
	n = gone > came ? gone : came
	for (i = 1; i <= n; i++) {
		id = came >= i ? anchor(right[i]) : ""
		row(id, i <= gone ? left[i] : "", i <= came ? right[i] : "", i <= gone, i <= came, " class=\"new\"")
	}
	gone = came = 0
}

function anchor(line,    words, n)
{
	if (!match(line, /\* Step [0-9]+, [a-z ]+: /))
		return ""
	words = substr(line, RSTART + 2, RLENGTH - 4)
	n = step_of(words)
	links[n] = links[n] " <a href=\"#" id_of(words) "\">" substr(words, index(words, ",") + 2) "</a>"
	return " id=\"" id_of(words) "\""
}

function id_of(words)
{
	words = tolower(words)
	gsub(/[^a-z0-9]+/, "-", words)
	return words
}

function step_of(words)
{
	sub(/^Step /, "", words)
	sub(/,.*/, "", words)
	return words + 0
}

function cell(text, there, number, class)
{
	if (!there)
		return "<td><td class=\"none\">"
	return "<td>" number "<td" class "><pre>" escape(text) "</pre>"
}

function row(id, a, b, has_a, has_b, class,    one, two)
{
	one = cell(a, has_a, has_a ? ++line_a : "", class == "" ? "" : " class=\"old\"")
	two = cell(b, has_b, has_b ? ++line_b : "", class)
	table = table "<tr" id ">" one two "\n"
}

FNR == NR && /^step [0-9]+: / {
	n = $2 + 0
	sub(/^step [0-9]+: /, "")
	title[n] = escape($0)
	steps = n
}
FNR == NR { next }
/^@@ / { body = 1; next }
!body { next }
/^-/ { left[++gone] = substr($0, 2); next }
/^\+/ { right[++came] = substr($0, 2); next }
{
	flush()
	row("", substr($0, 2), substr($0, 2), 1, 1, "")
}

END {
	flush()
	print "<ol>"
	for (n = 1; n <= steps; n++)
		print "<li>" title[n] ":" links[n]
	print "</ol>"
	print "<table>\n<thead><tr><th><th>" mine "<th><th>" theirs "\n<tbody>"
	print table "</table>"
}

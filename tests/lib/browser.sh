# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # work is the test's
# After ktap.sh: pages in a browser, and what a check of tests/page.js says of them. To
# start it takes long: what a step asks for is looked at when that ends, all at once.

# asks VERDICT WHAT CHECK desktop|phone PAGE: VERDICT is a pattern.
asks() {
	printf '%s\n' "$1" "$2" >>"$work/asked"
	case $4 in
	desktop) size=1280,900 ;;
	phone) size=360,740 ;;
	esac
	opened=$(wc -l <"$work/asked").html
	echo "['$opened', $size]," >>"$work/pages"
	{
		cat "$5"
		echo '<script>'
		[ "$3" != access ] || cat "$(tests/axe-core)"
		cat tests/page.js
		echo "addEventListener('load', () => check('$3'));"
		echo '</script>'
	} >"$work/$opened"
}

# is_fine CHECK SCREEN PAGE...
is_fine() {
	check=$1 screen=$2
	shift 2
	for shown in "$@"; do
		asks fine "$check, $screen, ${shown##*/}" "$check" "$screen" "$shown"
	done
}

# notices WORDS CHECK SCREEN PAGE SED: in a page that is changed so, the check finds what
# is wrong, and says WORDS.
notices() {
	sed -E "$5" "$4" >"$work/worse.html"
	! cmp -s "$4" "$work/worse.html" || fail "This changes nothing: $5" || return
	asks "*$1*" "$2, $3, after $5" "$2" "$3" "$work/worse.html"
}

# A verdict a line.
look() {
	{
		echo '<pre></pre><script>'
		cat tests/page.js
		echo 'checkEach(['
		cat "$work/pages"
		echo ']);</script>'
	} >"$work/look.html"
	chromium --headless --no-sandbox --enable-logging=stderr --user-data-dir="$work/chromium" \
		--window-size=1400,1000 --virtual-time-budget=3600000 --dump-dom \
		"file://$work/look.html" >"$work/dom" 2>"$work/err"
	sed -n 's/.*<pre>//;/<\/pre>/q;p' "$work/dom" >"$work/verdicts"
}

# judge PATTERN WHAT VERDICT
judge() {
	# shellcheck disable=SC2254 # a pattern
	case $3 in
	$1) ;;
	*) fail "$2: \"$3\", not \"$1\"$(grep -m 3 CONSOLE "$work/err")" ;;
	esac
}

# In the place of that of ktap.sh.
after_step() {
	[ -e "$work/asked" ] || return 0
	look
	right=0
	while IFS= read -r wanted && IFS= read -r what; do
		IFS= read -r verdict <&3 || verdict='no verdict'
		judge "$wanted" "$what" "$verdict" || right=1
	done <"$work/asked" 3<"$work/verdicts"
	rm "$work/asked" "$work/pages"
	return "$right"
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # work is the test's
# After ktap.sh: a page in a browser, and what a check of tests/page.js says of it.

# open CHECK desktop|phone PAGE: the verdict. A window is never narrower than 500 px, but
# a screen that it fills is.
open() {
	case $2 in
	desktop) screen=1280x900 ;;
	phone) screen=360x740 ;;
	esac
	{
		cat "$3"
		echo '<script>'
		[ "$1" != access ] || cat "$(tests/axe-core)"
		cat tests/page.js
		echo "addEventListener('load', () => check('$1'));"
		echo '</script>'
	} >"$work/opened.html"
	chromium --headless --no-sandbox --enable-logging=stderr --user-data-dir="$work/chromium" \
		--screen-info="{$screen}" --kiosk --virtual-time-budget=60000 --dump-dom \
		"file://$work/opened.html" >"$work/dom" 2>"$work/err"
	sed -n 's,.*<pre id="verdict">\(.*\)</pre>.*,\1,p' "$work/dom" | grep . ||
		{ echo 'no verdict:' && grep CONSOLE "$work/err"; }
}

# is_fine CHECK SCREEN PAGE
is_fine() {
	verdict=$(open "$@")
	[ "$verdict" = fine ] || fail "$1, $2: $verdict"
}

# notices WORDS CHECK SCREEN PAGE SED: in a page that is changed so, the check finds what
# is wrong, and says WORDS.
notices() {
	sed -E "$5" "$4" >"$work/broken.html"
	! cmp -s "$4" "$work/broken.html" || fail "This changes nothing: $5" || return
	verdict=$(open "$2" "$3" "$work/broken.html")
	case $verdict in
	*"$1"*) ;;
	*) fail "$2 should have noticed \"$1\" after $5, and said: $verdict" ;;
	esac
}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A run that starts from a snapshot ends as one that boots, and nothing old is ever
# tested: what a snapshot is made from, it is remade for.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/expect.sh
. tests/lib/expect.sh
# shellcheck source=tests/lib/answer.sh
. tests/lib/answer.sh

snapshots=$work/snapshots

# guest ARGUMENT...: pi/run with these arguments, from a snapshot. One processor boots soonest.
guest() {
	pi/run -s "$snapshots" -l "$work/log" ${KERNEL:+-k "$KERNEL"} -a maxcpus=1 "$@" >"$work/out" 2>"$work/err" \
		</dev/null && got=0 || got=$?
}

# prints LINE: that is all that the guest printed.
prints() {
	[ "$(cat "$work/out")" = "$1" ] ||
		fail "Not \"$1\", but: $(head -c 300 "$work/out") $(cat "$work/err")"
}

# boots ARGUMENT...: there is no snapshot that fits these; the run passes.
boots() {
	guest "$@"
	expect 0 'Booting the emulated Pi once, for a snapshot'
}

# boots_not ARGUMENT...: there is one.
boots_not() {
	guest "$@"
	expect 0
}

kept() {
	find "$snapshots" -type f -name '*.*-*' | wc -l
}

# ---- the same verdict -------------------------------------------------------

# same LAB: what its test prints and how it ends, in either way.
same() {
	pi/lab test "$1" >"$work/saved" 2>"$work/err" && saved=0 || saved=$?
	FRESH=1 pi/lab test "$1" >"$work/booted" 2>"$work/err" && booted=0 || booted=$?
	[ "$saved" -eq "$booted" ] ||
		fail "From a snapshot its status is $saved, and after a boot $booted: $(cat "$work/err")" || return
	diff "$work/booted" "$work/saved" >"$work/diff" || fail "It differs: $(cat "$work/diff")" || return
	grep -q '^ok' "$work/saved" || fail "Nothing was tested: $(cat "$work/err")"
}

solution_is_same() {
	export SOLUTION=1
	same 1 || return
	unset SOLUTION
	[ "$saved" -eq 0 ] || fail "The solution fails: $(grep '^not ok' "$work/saved")"
}

answer_is_same() {
	answer lab-1-never-unmaps || return
	export ANSWER="$answer"
	same "$lab" || return
	unset ANSWER
	[ "$saved" -eq 1 ] || fail "The wrong answer's status is $saved."
}

starts_from_it() {
	echo one >"$work/brought"
	boots "$work/brought=brought" -- cat /brought && prints one || return
	boots_not "$work/brought=brought" -- cat /brought && prints one
}

# Each word of the command and each file arrives, also one that comes late.
sends() {
	printf '#!/bin/sh\nprintf "<%%s>" "$@"\n' >"$work/sent"
	chmod +x "$work/sent"
	for word in first second; do
		# shellcheck disable=SC2016 # a dollar that is none
		boots_not "$work/brought=brought" "+$work/sent=in it/sent" -- '/in it/sent' "$word's" '' '$HOME' -- ' ' &&
			prints "<$word's><><\$HOME><-->< >" || return
	done
	head -c 300000 /dev/urandom >"$work/large"
	boots_not "$work/brought=brought" "+$work/large=large" -- sha256sum /large || return
	prints "$(sha256sum <"$work/large" | sed 's/-$/\/large/')"
}

ends_as_the_command() {
	guest "$work/brought=brought" -- sh -c 'echo half a line; exit 7'
	expect 7 && prints 'half a line' || return
	guest "$work/brought=brought" -- reboot -f
	expect 1 'the guest rebooted before the verdict' || return
	guest -K "$work/brought=brought" -- printf '1..2\nok 1 - a\n'
	expect 1 '2 tests were planned, 1 gave a result'
}

# What makes the snapshot is ours: there is nothing yet to be jailed.
in_a_jail() {
	# shellcheck disable=SC2016 # for that script
	printf '#!/bin/sh\necho "$1" "$#" >>%s\nexec "$@"\n' "$work/jailed" >"$work/jail"
	chmod +x "$work/jail"
	boots -j "$work/jail" -a 'maxcpus=1 jailed' -- echo in && prints in || return
	[ "$(wc -l <"$work/jailed")" -eq 1 ] || fail "What ran in the jail: $(cat "$work/jailed")" || return
	grep -q '^qemu-system-' "$work/jailed" || fail "QEMU is not: $(cat "$work/jailed")" || return
	pi/run -j "$work/jail" -- true >"$work/out" 2>"$work/err" && got=0 || got=$?
	expect 125 '-j takes -s'
}

# ---- nothing old ------------------------------------------------------------

other_file() {
	echo two >"$work/brought"
	boots "$work/brought=brought" -- cat /brought && prints two || return
	chmod +x "$work/brought"
	boots "$work/brought=brought" -- test -x /brought
}

# From here on a snapshot of the same file is there, and is not what fits.
other_words() {
	boots -a 'maxcpus=1 word=1' "$work/brought=brought" -- grep -o 'word=.' /proc/cmdline && prints word=1
}

other_tree() {
	sed 's/dma-m2m {/&\n\t\t\t\ttold = "here";/' pi/dma-labs.dts >"$work/other.dts"
	boots -o "$work/other.dts" "$work/brought=brought" -- grep -o here /proc/device-tree/soc/dma-m2m/told && prints here
}

# A kernel of the same name, of which a byte is new; and a QEMU.
other_kernel() {
	kernel=$(pi/kernel ${KERNEL:+"$KERNEL"})
	mkdir -p "$work/cache/dma-labs"
	cp -r "$kernel" "$work/cache/dma-labs/"
	export XDG_CACHE_HOME="$work/cache"
	boots -- true && boots_not -- true && echo >>"$work/cache/dma-labs/${kernel##*/}/vmlinuz" &&
		boots -- true && ok=0 || ok=1
	unset XDG_CACHE_HOME
	return "$ok"
}

other_qemu() {
	mkdir -p "$work/bin"
	printf '#!/bin/sh\nexec %s "$@"\n' "$(command -v qemu-system-aarch64)" >"$work/bin/qemu-system-aarch64"
	chmod +x "$work/bin/qemu-system-aarch64"
	path=$PATH
	PATH=$work/bin:$PATH
	boots "$work/brought=brought" -- true && ok=0 || ok=1
	PATH=$path
	return "$ok"
}

# What pi/lab has built of the copy: a checksum of one of its programs.
built() {
	"$work/book/pi/lab" build 1 >"$work/folder" 2>"$work/err" || fail "$(cat "$work/err")" || return
	cksum <"$(cat "$work/folder")/one_write"
}

other_program() {
	git clone -q . "$work/book"
	cp -r solutions/lab-1-dma-m2m/. "$work/book/labs/lab-1-dma-m2m"
	first=$(built)
	sed -i 's/^int main/const char *const is_new = "this";\n\n&/' "$work/book/labs/lib/one_write.c"
	second=$(built)
	sed -i 's/ -static/ -g&/' "$work/book/labs/lab-1-dma-m2m/Makefile"
	third=$(built)
	[ "$first" != "$second" ] || fail 'A program of lib/ was edited, and is the old one.' || return
	[ "$second" != "$third" ] || fail 'A Makefile was edited, and the program is the old one.'
}

# ---- snapshots that are of no use -------------------------------------------

is_remade() {
	guest -- echo new
	expect 0 "$1" && prints new || return
	boots_not -- true || return
	[ "$(kept)" -eq 1 ] || fail "It is still there: $(ls "$snapshots")"
}

damaged() {
	rm -rf "$snapshots"
	boots -- true || return
	one=$(find "$snapshots" -name '*.*-*')
	printf X | dd of="$one" bs=1 seek=40000000 conv=notrunc 2>/dev/null
	is_remade 'A snapshot is damaged: throwing it away'
}

# Its name is right, and QEMU cannot load it.
unloadable() {
	one=$(find "$snapshots" -name '*.*-*')
	head -c 1000000 "$one" >"$work/part"
	rm "$one"
	mv "$work/part" "${one%.*}.$(cksum <"$work/part" | tr ' ' -)"
	is_remade 'The snapshot is of no use: making another'
}

# In the place of cat, which writes the snapshot, a program that writes a part of it
# and kills the run and its QEMU.
killed_half_way() {
	rm -rf "$snapshots"
	mkdir -p "$work/cat"
	cat >"$work/cat/cat" <<-'END'
		#!/bin/sh
		case $(readlink "/proc/$$/fd/1") in
		*/partial.*) ;;
		*) exec /bin/cat "$@" ;;
		esac
		head -c 1000000
		shell=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$$/status")
		kill -KILL "$(/bin/cat "$RUN")" $(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$shell/status")
	END
	chmod +x "$work/cat/cat"
	RUN=$work/pid PATH=$work/cat:$PATH sh -c 'echo $$ >"$RUN"; exec "$@"' sh \
		pi/run -s "$snapshots" -l "$work/log" -a "maxcpus=1 mark=_$$" -- true >"$work/out" 2>&1 && got=0 || got=$?
	[ "$got" -eq 137 ] || fail "It was not killed: $got, $(cat "$work/out")" || return
	soon no_process || fail 'It lives on.' || return
	[ "$(kept)" -eq 0 ] || fail 'Half a snapshot has a name.' || return
	boots -a "maxcpus=1 mark=_$$" -- true || return
	[ -z "$(find "$snapshots" -name 'partial.*')" ] || fail "It is still there: $(ls "$snapshots")"
}

# ---- several runs, and killed ones ------------------------------------------

alone() {
	pi/run -s "$snapshots" -l "$work/both" ${KERNEL:+-k "$KERNEL"} -a maxcpus=1 -- sh -c "yes $1 | head -n 2000; exit $2" \
		>"$work/$1" 2>"$work/$1.err" && echo 0 >>"$work/$1" || echo $? >>"$work/$1"
}

two_at_once() {
	for day in 1 2 3 4 5 6 7 8; do
		touch -d "2001-01-0$day" "$snapshots/old-$day.1-1"
	done
	alone a 3 &
	alone b 5
	wait
	for run in 'a 3' 'b 5'; do
		{ yes "${run% *}" | head -n 2000 && echo "${run#* }"; } >"$work/right"
		cmp "$work/right" "$work/${run% *}" >"$work/cmp" 2>&1 ||
			fail "$(cat "$work/cmp"): $(tail -n 3 "$work/${run% *}") $(cat "$work/${run% *}.err")" || return
	done
	[ "$(cat "$work/a.err" "$work/b.err")" = '==> Booting the emulated Pi once, for a snapshot' ] ||
		fail "Not one made it, but: $(cat "$work/a.err" "$work/b.err")"
}

# Old ones are there when two_at_once makes another.
few_are_kept() {
	left=$(cd "$snapshots" && echo old-*)
	[ "$left $(kept)" = 'old-5.1-1 old-6.1-1 old-7.1-1 old-8.1-1 6' ] || fail "These are there: $(ls "$snapshots")"
}

random_differs() {
	boots_not -- head -c 16 /dev/urandom
	cp "$work/out" "$work/random"
	boots_not -- head -c 16 /dev/urandom
	! cmp -s "$work/random" "$work/out" || fail 'Both drew the same.'
}

ready() {
	grep -q ready "$work/out"
}

no_process() {
	! grep -qs "mark=[_]$$" /proc/[0-9]*/cmdline
}

ends_by() {
	: >"$work/out"
	pi/run -s "$snapshots" -l "$work/log" -t 1000 -a "maxcpus=1 mark=_$$" -- sh -c 'echo ready; exec sleep 1000' \
		>"$work/out" 2>"$work/err" </dev/null &
	run=$!
	soon ready || fail "The guest did not start: $(cat "$work/err")" || return
	! no_process || fail 'The run has no mark: this test sees nothing.' || return
	kill -"$1" "$run"
	wait "$run" 2>/dev/null && got=0 || got=$?
	[ "$got" -eq $((128 + $2)) ] || fail "Its status was $got." || return
	soon no_process || fail "It lives on: $(grep -ls "mark=[_]$$" /proc/[0-9]*/cmdline)"
}

is_killed() {
	ends_by KILL 9 && ends_by TERM 15
}

plan 19
step "a solution's verdict is the same after a boot, line by line" solution_is_same
step "so is a wrong answer's" answer_is_same
step "a second run starts from the first one's snapshot" starts_from_it
needs 3 step "what is sent arrives as it is: words, a file, a large one" sends
needs 3 step "a run ends as its command, and as its guest" ends_as_the_command
needs 3 step "what comes from a snapshot can run in a jail" in_a_jail
needs 3 step "another file, or another mode of it, is another snapshot" other_file
needs 3 step "so is another kernel command line" other_words
needs 3 step "so is another device tree" other_tree
needs 3 step "so is another kernel, of the same name" other_kernel
needs 3 step "so is another QEMU" other_qemu
step "an edited program or Makefile is built anew" other_program
needs 3 step "a damaged snapshot is made again" damaged
needs 13 step "so is one that cannot be loaded" unloadable
needs 3 step "a run that is killed while it makes one leaves none" killed_half_way
needs 3 step "two runs at once make one snapshot, and do not disturb each other" two_at_once
needs 16 step "six are kept" few_are_kept
needs 3 step "two that start from one snapshot draw other random numbers" random_differs
needs 3 step "a run that is killed leaves nothing behind" is_killed
finish

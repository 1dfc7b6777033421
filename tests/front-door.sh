#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What a person can do wrong at the front door, and what a machine can do to a
# person: each is told in a line that says what to do, and loses nothing.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/expect.sh
. tests/lib/expect.sh

export SOLUTION=1

wrong_words() {
	refuses 'no lab "9": LAB= takes 1' make test LAB=9 || return
	refuses 'no board "pi7": BOARD= takes raspi3b, raspi2b or raspi4b' make test BOARD=pi7 || return
	refuses 'no kernel "2.4": KERNEL= takes 6.1' make test KERNEL=2.4 || return
	refuses 'no kernel "../6.1": KERNEL= takes' make test KERNEL=../6.1 || return
	refuses 'there is no test "tests/nothing.sh"' tests/run nothing
}

# Nobody waits for the tests of lab 1, who has written lab=3.
misspelt_names() {
	refuses 'lab=3 is not known: .* in capitals' make test lab=3 || return
	refuses 'step=2 is not known' make watch LAB=2 step=2 || return
	refuses 'name=6.12 is not known' make -s shell name=6.12 || return
	refuses 'ROOSTER=class.csv is not known: make help' make grade IN=a OUT=b ROOSTER=class.csv || return
	make help LAB=3 SBATCH_PARTITION=pi http_proxy=x >"$work/out" 2>&1 || fail "$(cat "$work/out")"
}

# It says so before it builds.
shell_without_terminal() {
	refuses 'takes a terminal' make -s shell </dev/null || return
	! grep -q Building "$work/out" || fail "It builds first: $(cat "$work/out")"
}

# A make test of the workbook without a solution's help, in a copy.
no_driver_yet() {
	git clone -q . "$work/clone"
	rm -f "$work/clone/labs/lab-1-dma-m2m/dma_m2m.c"
	refuses 'dma_m2m.c is not there: write it' env SOLUTION= make -C "$work/clone" test
}

compile_error() {
	git clone -q . "$work/broken"
	echo 'int x = ;' >>"$work/broken/solutions/lab-1-dma-m2m/dma_m2m.c"
	refuses 'lab-1-dma-m2m does not build: see above' make -C "$work/broken" test || return
	grep -q '^solutions/lab-1-dma-m2m/dma_m2m.c:[0-9]*:[0-9]*: error: expected expression' "$work/out" ||
		fail "the compiler's words are missing: $(cat "$work/out")"
}

space_in_path() {
	git clone -q . "$work/a folder"
	refuses 'space, colon or =' make -C "$work/a folder" test
}

# A machine with next to nothing, where one is not root.
bare_machine() {
	rm -rf "${work:?}/bin"
	mkdir "$work/bin"
	for tool in sh sort tr uname cat grep env; do
		ln -s "$(command -v "$tool")" "$work/bin/$tool"
	done
	printf '#!/bin/sh\necho 1000\n' >"$work/bin/id"
	printf '#!/bin/sh\necho "apt-get $*" >>"%s/apt"\n' "$work" >"$work/bin/apt-get"
	chmod +x "$work/bin/id" "$work/bin/apt-get"
}

without_root() {
	bare_machine
	refuses 'As root, run: apt-get update && apt-get install -y .*qemu-system-arm' \
		env PATH="$work/bin" pi/setup run || return
	[ ! -e "$work/apt" ] || fail "it ran apt without being root: $(cat "$work/apt")"
}

through_sudo() {
	bare_machine
	printf '#!/bin/sh\necho "sudo $*" >>"%s/sudo"\nexec "$@"\n' "$work" >"$work/bin/sudo"
	chmod +x "$work/bin/sudo"
	env PATH="$work/bin" pi/setup run >"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
	grep -q 'Installing, with apt through sudo: .*qemu-system-arm' "$work/out" ||
		fail "it does not say so: $(cat "$work/out")" || return
	grep -q '^sudo env .*apt-get install' "$work/sudo" || fail "sudo was asked for: $(cat "$work/sudo")"
}

needs_no_network() {
	bare_machine
	printf '#!/bin/sh\necho "apt was called: $*" >&2\nexit 1\n' >"$work/bin/apt-get"
	PATH="$work/bin:$PATH" make -s test >"$work/out" 2>&1 || fail "$(tail -n 3 "$work/out")"
}

# ---- an archive that cannot be trusted -----------------------------------

start_mirror() {
	archive=$(pi/archive main)
	store=$work/store
	export archive store
	mkdir -p "$store"
	/usr/lib/apt/apt-helper download-file "$archive/dists/stable/Release" "$work/probe" >/dev/null 2>&1 ||
		skip "no network" || return
	port=$((20000 + $$ % 20000))
	socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" \
		EXEC:tests/bad-mirror >/dev/null 2>&1 &
	mirror=$!
	timeout 20 sh -c "until socat -u OPEN:/dev/null TCP:127.0.0.1:$port; do sleep 0.1; done" 2>/dev/null ||
		fail "the archive's port $port cannot be had: run this again"
}

# What pi/kernel does with this archive: good, tampered or cut.
use_mirror() {
	[ -n "${mirror-}" ] || skip 'no network' || return
	echo "$1" >"$store/mode"
	export no_proxy=127.0.0.1 DEBIAN_MIRROR="http://127.0.0.1:$port" SECURITY_MIRROR=-
}

nothing_is_left() {
	left=$(find "$1" -mindepth 2 ! -name lock | head -n 3)
	[ -z "$left" ] || fail "this was left in the cache: $left"
}

bad_package() {
	use_mirror "$1" || return
	refuses 'could not be had whole .*run this again' env XDG_CACHE_HOME="$work/cache" pi/kernel || return
	nothing_is_left "$work/cache"
}

tampered_package() {
	start_mirror && bad_package tampered
}

cut_download() {
	bad_package cut
}

no_archive() {
	refuses 'is there a network' env DEBIAN_MIRROR=http://127.0.0.1:1 SECURITY_MIRROR=- \
		no_proxy=127.0.0.1 XDG_CACHE_HOME="$work/cache" pi/kernel || return
	nothing_is_left "$work/cache"
}

# on_small_disk MEGABYTES COMMAND...: with a cache of that size. What it leaves
# there is in $work/left.
on_small_disk() {
	megabytes=$1
	shift
	mkdir -p "$work/small"
	as_root=-r
	[ "$(id -u)" -ne 0 ] || as_root=''
	# shellcheck disable=SC2016,SC2086 # for the inner shell; a flag or none
	unshare -m $as_root sh -c '
		mount -t tmpfs -o size="$1"m tmpfs "$2" && export XDG_CACHE_HOME="$2" || exit 99
		shift 2
		"$@" && status=0 || status=$?
		find "$XDG_CACHE_HOME" -mindepth 2 ! -name lock >"$XDG_CACHE_HOME/../left"
		exit $status' sh "$megabytes" "$work/small" "$@"
}

full_disk() {
	on_small_disk 1 true 2>/dev/null || skip 'no namespaces here' || return
	refuses 'MB free, and .* are needed: make room' on_small_disk 20 pi/kernel || return
	[ ! -s "$work/left" ] || fail "this was left: $(cat "$work/left")"
}

# df promises much, and then there is no room.
disk_fills_up() {
	use_mirror good || return
	on_small_disk 1 true 2>/dev/null || skip 'no namespaces here' || return
	mkdir -p "$work/df"
	printf '#!/bin/sh\nprintf "x\\nx x x 999999 x\\n"\n' >"$work/df/df"
	chmod +x "$work/df/df"
	for room in 130 195; do
		refuses 'un this again' on_small_disk "$room" env PATH="$work/df:$PATH" pi/kernel || return
		[ ! -s "$work/left" ] || fail "this was left: $(cat "$work/left")" || return
	done
}

# After all that, and after a run that was killed and left its folder behind.
next_run_is_sound() {
	use_mirror good || return
	mkdir -p "$work/cache/dma-labs/partial.killed/debs"
	XDG_CACHE_HOME=$work/cache pi/kernel >"$work/out" 2>"$work/err" || fail "$(cat "$work/err")" || return
	[ -e "$(cat "$work/out")/headers/Makefile" ] || fail "no kernel in $(cat "$work/out")" || return
	XDG_CACHE_HOME=$work/cache make -s test >"$work/out" 2>&1 || fail "$(tail -n 3 "$work/out")" || return
	[ ! -e "$work/cache/dma-labs/partial.killed" ] || fail 'the killed run is still there'
}

# What is typed before there is a prompt is lost.
prompt_comes() {
	timeout 60 sh -c "until grep -q 'lab-1-dma-m2m # ' '$work/screen'; do sleep 0.1; done"
}

shell_works() {
	mkfifo "$work/keys"
	: >"$work/screen"
	script -qfc 'make -s shell' "$work/screen" <"$work/keys" >/dev/null 2>&1 &
	exec 6>"$work/keys"
	prompt_comes || fail "no prompt: $(tail -n 5 "$work/screen")" || return
	printf '%s\r' 'insmod dma_m2m.ko' 'echo by hand >/dev/dma_m2m_misc_dev' \
		'cat /dev/dma_m2m_misc_dev | tr a-z A-Z' exit >&6
	wait $! || fail "make shell ended with $?: $(tail -n 5 "$work/screen")" || return
	exec 6>&-
	grep -q 'BY HAND' "$work/screen" || fail "$(cat "$work/screen")"
}

trap 'kill ${mirror-} 2>/dev/null || true; rm -rf "$work"' EXIT
plan 16
step "a wrong LAB, BOARD, KERNEL, TEXT or test is told what is right" wrong_words
step "a name that is misspelt is told" misspelt_names
step "a lab without a driver says where to write it" no_driver_yet
step "a driver that does not compile shows the compiler's words" compile_error
step "a path that kbuild cannot work in is refused" space_in_path
step "without root and sudo, the one command to run is printed" without_root
step "with sudo, it says so and installs what is missing" through_sudo
step "what is in the cache needs no network and no apt" needs_no_network
step "a tampered package is refused, and nothing is left" tampered_package
step "a download that is cut is refused, and nothing is left" cut_download
step "an archive that does not answer is named" no_archive
step "a disk without room is told before anything is downloaded" full_disk
step "a disk that fills up on the way leaves nothing" disk_fills_up
step "after all that the next run is sound" next_run_is_sound
step "make shell is a shell with the lab at hand" shell_works
step "without a terminal it is refused, before anything is built" shell_without_terminal
finish

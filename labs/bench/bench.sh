#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Measures what copies cost on this Pi, a real or an emulated one, and prints it as CSV:
# by each lab whose module is built, by the kernel's own dmatest where there is one, and by
# the CPU.
#
# usage: sudo ./bench.sh [-b BYTES] [-u USERS] [-w WAYS] [-t SECONDS]
#   -b BYTES    of a copy, one size or several in quotes (default: 64, 128, ... 4194304)
#   -u USERS    how many copy at once, one number or several (default: 1)
#   -w WAYS     some of these only: memcpy-user lab1-write lab2-ioctl lab3-pages lab3-huge
#               lab3-odd dmatest lab1-window kernel-parts
#   -t SECONDS  how long to copy for each row (default: 2; on an emulated Pi, where each copy
#               takes as many instructions as the next, a number of copies)
#
# The columns; what is not known is empty:
#   what          how it is copied
#   bytes         of one copy; users: how many copy at once; operations: how many copies
#   mean          nanoseconds a copy
#   least p50 p90 p99   the least that one took, and as much as so many percent of them did at
#                 most: of the first user's copies, and with reading the clock
#   busy          nanoseconds that processors had to do something, a copy: as the kernel
#                 counts it, in ticks, so of a second at least
#   interrupts    of DMA channels, a copy
#   descriptors   transfers that the engine was given, of a copy of the first user's
set -eu
cd "$(dirname "$0")"

say() {
	echo "bench.sh: $1" >&2
}

die() {
	say "$1"
	exit 1
}

all_ways="memcpy-user lab1-write lab2-ioctl lab3-pages lab3-huge lab3-odd dmatest lab1-window"
all_ways="$all_ways kernel-parts"

wanted() {
	case " $ways " in
	*" $1 "*) ;;
	*) return 1 ;;
	esac
}

# What is there only for this is taken away again, however this ends.
loaded='' huge_pages_before=''
tidy() {
	[ -z "$loaded" ] || rmmod "$loaded" || true
	[ -z "$huge_pages_before" ] || echo "$huge_pages_before" >/proc/sys/vm/nr_hugepages
}

# with_module FILE COMMAND WAY...: the command for each that is wanted of these ways, with
# the module, if it has been built.
with_module() {
	file=$1 command=$2
	shift 2
	chosen=''
	for way in "$@"; do
		! wanted "$way" || chosen="$chosen $way"
	done
	[ -n "$chosen" ] || return 0
	[ -e "$file" ] || {
		say "${file##*/} is not built: left out"
		return 0
	}
	insmod "$file" || die "$file cannot be loaded: is it there already? See lsmod, dmesg"
	loaded=$(basename "$file" .ko)
	for way in $chosen; do
		"$command" "$way"
	done
	rmmod "$loaded"
	loaded=''
}

# by_program WAY
by_program() {
	for n in $users; do
		# shellcheck disable=SC2086 # a list of words
		./bench "$1" "$n" "$seconds" $bytes
	done
}

# up_to MOST: the sizes that are no larger.
up_to() {
	for size in $bytes; do
		[ "$size" -gt "$1" ] || echo "$size"
	done
}

# row WHAT BYTES USERS OPERATIONS MEAN [LEAST]: of what tells no more.
row() {
	echo "$1,$2,$3,$4,$5,${6-},,,,,,"
}

window() {
	run=/sys/module/bench_window/parameters/run
	for size in $(up_to 65536); do
		echo "$size" >"$run"
		row lab1-window "$size" 1 200 "$(cat "$run")"
	done
}

emulated() {
	[ -e /proc/device-tree/chosen/dma-labs,emulated ]
}

# The parts of a copy in the kernel: the least that each took. An engine that takes its time
# makes nothing known of the interrupt's.
parts() {
	run=/sys/module/bench_kernel/parameters/run
	for size in $(up_to 4194304); do
		echo "$size" >"$run"
		while read -r part least; do
			[ "$part" != interrupt ] || emulated || continue
			row "kernel-$part" "$size" 1 32 '' "$least"
		done <"$run"
	done
}

# ---- dmatest -------------------------------------------------------------------

# set_test NAME VALUE
set_test() {
	echo "$2" >"/sys/module/dmatest/parameters/$1"
}

# The first that nobody holds: which the labs get, too.
free_channel() {
	for channel in /sys/class/dma/*chan*; do
		if [ "$(cat "$channel/in_use")" = 0 ]; then
			echo "${channel##*/}"
			return
		fi
	done
}

# Its own line on what it has just done comes after it says that it is done.
summary() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		dmesg | sed '1,/bench.sh: dmatest, '"$1"'$/d' | grep 'dmatest: .* summary ' && return
		sleep 1
	done
}

# It needs more room than it copies, in one piece; and it counts its own start, which is
# little of as many copies.
dmatest_of() {
	operations=2000
	[ "$1" -le 65536 ] || operations=1000
	set_test iterations "$operations"
	set_test test_buf_size $(($1 + 1))
	set_test transfer_size "$1"
	set_test channel "$(free_channel)"
	echo "bench.sh: dmatest, $1" >/dev/kmsg
	set_test run 1
	cat /sys/module/dmatest/parameters/wait >/dev/null
	persec=$(summary "$1" | sed -n "s/.* summary $operations tests, 0 failures \([0-9.]*\) iops .*/\1/p")
	[ -n "$persec" ] || die "dmatest of $1 bytes failed: see dmesg"
	row dmatest "$1" 1 "$operations" "$(awk "BEGIN { printf \"%.1f\", 1e9 / $persec }")"
}

# Of one user: several threads of its do not begin together.
dmatest() {
	for name in norandom=1 noverify=1 max_channels=1 threads_per_chan=1; do
		set_test "${name%=*}" "${name#*=}"
	done
	for size in $(up_to 2097152); do
		dmatest_of "$size"
	done
}

# Pages of 2 MiB, for lab 3: each user has two buffers.
huge_pages() {
	wanted lab3-huge || return 0
	pool=/proc/sys/vm/nr_hugepages
	[ -w "$pool" ] || {
		say 'this kernel has no huge pages: lab3-huge is left out'
		ways=$(echo "$ways" | sed 's/lab3-huge//')
		return 0
	}
	pages=0
	for size in $bytes; do
		for n in $users; do
			need=$((2 * n * ((size + 2097151) / 2097152)))
			[ "$need" -le "$pages" ] || pages=$need
		done
	done
	huge_pages_before=$(cat "$pool")
	echo $((huge_pages_before + pages)) >"$pool"
}

# ---- all -------------------------------------------------------------------------

bytes='64 128 256 512 1024 2048 4096 8192 16384 32768 65536 131072 262144 524288 1048576
	2097152 4194304'
users=1 ways=$all_ways seconds=2
! emulated || seconds=0
usage='usage: sudo ./bench.sh [-b BYTES] [-u USERS] [-w WAYS] [-t SECONDS]'
while getopts b:u:w:t: opt; do
	case $opt in
	b) bytes=$OPTARG ;;
	u) users=$OPTARG ;;
	w) ways=$OPTARG ;;
	t) seconds=$OPTARG ;;
	*) die "$usage" ;;
	esac
done
for word in $bytes $users $seconds; do
	case $word in
	*[!0-9]* | 0?*) die "\"$word\" is not a number. $usage" ;;
	esac
done
for way in $ways; do
	case " $all_ways " in
	*" $way "*) ;;
	*) die "there is no way \"$way\": -w takes $all_ways" ;;
	esac
done
[ "$(id -u)" -eq 0 ] || die 'this takes root: sudo ./bench.sh'
[ -x bench ] || die 'bench is not built: run make first'
trap tidy EXIT
trap 'exit 130' INT TERM HUP
huge_pages
echo what,bytes,users,operations,mean,least,p50,p90,p99,busy,interrupts,descriptors
! wanted memcpy-user || by_program memcpy-user
with_module ../lab-1-dma-m2m/dma_m2m.ko by_program lab1-write
with_module ../lab-2-dma-mmap/driver/dma_mmap_driver.ko by_program lab2-ioctl
with_module ../lab-3-sg/driver/dma_sg_driver.ko by_program lab3-pages lab3-huge lab3-odd
with_module dmatest.ko dmatest dmatest
with_module bench_window.ko window lab1-window
with_module bench_kernel.ko parts kernel-parts

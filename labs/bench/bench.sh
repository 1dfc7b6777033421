#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Measures what copies cost on this Pi, a real or an emulated one, and prints it as CSV:
# by each lab whose module is built, by the kernel's own dmatest where there is one, and by
# the CPU.
#
# usage: sudo ./bench.sh [-b BYTES] [-u USERS] [-w WAYS]
#   -b BYTES   of a copy, one size or several in quotes (default: 64, 128, ... 4194304)
#   -u USERS   how many copy at once, one number or several (default: 1)
#   -w WAYS    some of these only: memcpy-user lab1-write lab2-ioctl lab3-pages lab3-huge
#              lab3-odd dmatest lab1-window kernel-parts
#
# The columns:
#   what          how it is copied
#   bytes         of one copy; users: how many copy at once; operations: how many copies
#   mean, least   nanoseconds a copy, of all and of one
#   p50 p90 p99   as much did so many percent of them take, at most
#   busy          nanoseconds that processors had to do something, a copy: as the kernel
#                 counts it, in ticks, so of many copies
#   interrupts    of DMA channels, a copy
#   descriptors   transfers that the engine was given, a copy
set -eu
cd "$(dirname "$0")"

say() {
	echo "bench.sh: $1" >&2
}

die() {
	say "$1"
	exit 1
}

wanted() {
	case " ${ways:-$1} " in
	*" $1 "*) ;;
	*) return 1 ;;
	esac
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
	for way in $chosen; do
		"$command" "$way"
	done
	rmmod "$(basename "$file" .ko)"
}

# by_program WAY
by_program() {
	for n in $users; do
		# shellcheck disable=SC2086 # a list of words
		./bench "$1" "$n" $bytes
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

# The parts of a copy in the kernel: the least that each took.
parts() {
	run=/sys/module/bench_kernel/parameters/run
	for size in $(up_to 4194304); do
		echo "$size" >"$run"
		while read -r part least; do
			row "kernel-$part" "$size" 1 32 '' "$least"
		done <"$run"
	done
}

# ---- dmatest -------------------------------------------------------------------

# set_test NAME VALUE
set_test() {
	echo "$2" >"/sys/module/dmatest/parameters/$1"
}

# summary: of the test that has just run: copies a second, of all threads.
summary() {
	dmesg | sed -n 's/.*dmatest: .*summary .* \([0-9.]*\) iops .*/\1/p' | tail -n "$1" |
		awk '{ sum += 1e9 / $1 } END { printf "%.1f\n", sum / NR / NR }'
}

# It needs more room than it copies, in one piece; and it counts microseconds.
dmatest_of() {
	operations=2000
	[ "$1" -lt 65536 ] || operations=200
	set_test iterations "$operations"
	set_test test_buf_size $(($1 + 1))
	set_test transfer_size "$1"
	set_test threads_per_chan "$2"
	set_test channel dma0chan0
	set_test run 1
	cat /sys/module/dmatest/parameters/wait >/dev/null
	sleep 1
	row dmatest "$1" "$2" $((operations * $2)) "$(summary "$2")"
}

dmatest() {
	for name in norandom=1 noverify=1 max_channels=1; do
		set_test "${name%=*}" "${name#*=}"
	done
	for n in $users; do
		for size in $(up_to 2097152); do
			dmatest_of "$size" "$n"
		done
	done
}

# Pages of 2 MiB, for lab 3: each user has two buffers of up to 4 MiB.
huge_pages() {
	most=0
	for n in $users; do
		[ "$n" -le "$most" ] || most=$n
	done
	echo $((4 * most)) >/proc/sys/vm/nr_hugepages
}

# ---- all -------------------------------------------------------------------------

bytes='64 128 256 512 1024 2048 4096 8192 16384 32768 65536 131072 262144 524288 1048576
	2097152 4194304'
users=1 ways=''
while getopts b:u:w: opt; do
	case $opt in
	b) bytes=$OPTARG ;;
	u) users=$OPTARG ;;
	w) ways=$OPTARG ;;
	*) die 'usage: sudo ./bench.sh [-b BYTES] [-u USERS] [-w WAYS]' ;;
	esac
done
[ "$(id -u)" -eq 0 ] || die 'this takes root: sudo ./bench.sh'
[ -x bench ] || die 'bench is not built: run make first'
huge_pages
echo what,bytes,users,operations,mean,least,p50,p90,p99,busy,interrupts,descriptors
! wanted memcpy-user || by_program memcpy-user
with_module ../lab-1-dma-m2m/dma_m2m.ko by_program lab1-write
with_module ../lab-2-dma-mmap/driver/dma_mmap_driver.ko by_program lab2-ioctl
with_module ../lab-3-sg/driver/dma_sg_driver.ko by_program lab3-pages lab3-huge lab3-odd
with_module dmatest.ko dmatest dmatest
with_module bench_window.ko window lab1-window
with_module bench_kernel.ko parts kernel-parts

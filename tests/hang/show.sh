#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On the emulated Pi, in lab 2's folder: what a driver does to the programs that
# use it, and what the kernel says to that.
#
# usage: show.sh WHAT...
#   copy    the application's copy
#   files   two open files
#   dead    a process that is killed while the engine is dead
set -eu
# shellcheck source=labs/lib/driver.sh
. ../lib/driver.sh

module=dma_mmap_driver
ko=driver/dma_mmap_driver.ko
device=/dev/dma_mmap
node=dma-mmap

# The shell says by itself what a signal was.
copy() {
	./app/dma_mmap_app 'sixteen letters.' && status=0 || status=$?
	echo "exit $status"
}

files() {
	/two_files
}

# Twenty seconds are the timeout_ms of this driver twenty times.
dead() {
	engine_find "$channel"
	engine_stop
	background ./app/dma_mmap_app 'sixteen letters.'
	soon engine_has_work
	kill -KILL "$job"
	if soon job_ended; then
		echo 'it is gone'
	else
		sed -n 's/^\(State\|ShdPnd\):[[:space:]]*/\1 /p' "/proc/$job/status"
		engine_wake
		soon job_ended && echo 'it is gone only when the engine has run'
	fi
}

{ loads && holds_channel; } || {
	printf '%s\n' "$hints"
	exit 1
}
for what in "$@"; do
	"$what"
done
# Of what the kernel has to say the first: what follows is how it happens to go on.
dmesg | sed -n 's/^\[[^]]*\] \(BUG: [A-Za-z ]*\|WARNING: .* at [^:]*\).*/the kernel: \1/p' |
	sed 's/WARNING: .* at/WARNING at/' | head -n 1

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # module and others are the labs', theirs is what is set here
# What the tests of every lab do with its driver, and the steps that all of them
# have; and all else in this folder that they do it with. The lab says after it:
#
#   module=dma_m2m                  the module, as rmmod calls it
#   ko=dma_m2m.ko                   the file that insmod takes
#   device=/dev/dma_m2m_misc_dev    what the driver makes
#   node=dma-m2m                    the device tree's node, under /soc

# shellcheck source=labs/lib/ktap.sh
. ../lib/ktap.sh
# shellcheck source=labs/lib/kernel-log.sh
. ../lib/kernel-log.sh
# shellcheck source=labs/lib/engine.sh
. ../lib/engine.sh
# shellcheck source=labs/lib/witness.sh
. ../lib/witness.sh
# shellcheck source=labs/lib/leaks.sh
. ../lib/leaks.sh

loaded() {
	grep -q "^$module " /proc/modules
}

# An engine that stands would stand until the next boot.
driver_clean_up() {
	witness_stop || true
	[ -z "${engine_enable-}" ] || engine_start
	! loaded || rmmod "$module" 2>/dev/null || echo "# $module does not unload."
	rm -rf "$work"
}

# Never a module that somebody else uses.
driver_begin() {
	if loaded; then
		echo "Bail out! $module is loaded already: sudo rmmod $module"
		exit 1
	fi
	trap driver_clean_up EXIT
	witness_stop || true
	leaks_begin
}

# random LENGTH: that many fresh random bytes, in $work/data.
random() {
	head -c "$1" /dev/urandom >"$work/data"
}

waits_at_most() {
	echo "$1" >"/sys/module/$module/parameters/timeout_ms" 2>/dev/null ||
		fail "The module has no parameter timeout_ms that root may change: see module_param()."
}

# dynamic_debug + or -: has the driver tell each stage, or not; false if it cannot.
dynamic_debug() {
	for control in /proc/dynamic_debug/control /sys/kernel/debug/dynamic_debug/control; do
		[ ! -e "$control" ] || break
	done
	echo "module $module $1p" 2>/dev/null >"$control"
}

# driver_said: what the driver has put into the kernel log in this step.
driver_said() {
	step_log | grep "soc:$node:" || true
}

# ---- the kernel's books -----------------------------------------------------

# The channels in use, one name a line.
channels_in_use() {
	for channel in /sys/class/dma/dma*chan*; do
		read -r clients <"$channel/in_use"
		[ "$clients" -eq 0 ] || echo "${channel##*/}"
	done
}

# The lines of the DMA controller.
dma_lines() {
	awk '/DMA IRQ/ { print $1 }' /proc/interrupts
}

# The interrupts of the line that appeared when the driver took its channel, all
# processors added up.
our_interrupts() {
	awk -v irq="${irq:-none}" '$1 == irq { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i; print n + 0 }' /proc/interrupts
}

# new_in LIST: the lines on standard input that are not in $work/LIST.
new_in() {
	sort - "$work/$1" "$work/$1" | uniq -u
}

# What an engine does that nobody asks to tell its end is its own affair.
asks_for_interrupts() {
	! grep -q '^prepare .* flags=0x[0-9a-f]*[02468ace]$' "$calls" ||
		fail 'A descriptor was prepared without DMA_PREP_INTERRUPT: who is to be told of its end?'
}

# The transfer in the records was given up as it has to be, before its memory was.
gave_up() {
	[ -d "$instance" ] || return 0
	[ "$(called '^terminate')" -ge 1 ] ||
		fail "The engine may still write later: see dmaengine_terminate_sync()." || return
	sed -n '/^terminate/,$p' "$calls" | sed '/^unmap/,$d; /^free/,$d' >"$work/given_up"
	grep -q '^synchronize' "$work/given_up" || fail \
		"The channel was terminated, and nobody waited for a callback that may be running:
see dmaengine_terminate_sync()." || return
	sed -n '/^synchronize/,$p' "$work/given_up" | grep -q '^status' || fail \
		"All may have ended just before the engine was stopped: dma_async_is_tx_complete() tells,
by the cookie, after dmaengine_terminate_sync() and before the memory is given back."
}

# ---- processes that the driver keeps waiting --------------------------------

# soon COMMAND...: true within 20 s, where milliseconds are expected; on a debug kernel,
# which may be ten times as slow, in a minute more.
soon() {
	tries=0
	most=40
	[ ! -e /sys/kernel/debug/kmemleak ] || most=120
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt "$most" ] || return
		sleep "0.$((tries < 20 ? 1 : 9))"
	done
}

# background COMMAND...: with $work/data on standard input; what it says is in
# $work/said. The shell's own words about one that was killed are of no use.
background() {
	[ -e "$work/data" ] || : >"$work/data"
	{ "$@" <"$work/data" >"$work/said" 2>&1 & } 2>/dev/null
	job=$!
}

# state_of PROCESS: sets $state to the letter that ps has for it. What has ended is a
# zombie until its parent asks for it.
state_of() {
	read -r _ _ state _ 2>/dev/null <"/proc/$1/stat" || state=Z
}

job_ended() {
	state_of "$job"
	[ "$state" = Z ]
}

# ---- steps ------------------------------------------------------------------

loads() {
	dma_lines >"$work/irqs"
	channels_in_use >"$work/channels"
	misc_names >"$work/misc"
	insmod "./$ko" 2>"$work/insmod" ||
		fail "insmod: $(cat "$work/insmod"). Does probe() return an error? dmesg tells." || return
	channels_in_use | new_in channels >"$work/ours"
	[ -c "$device" ] || fail "The module is loaded, but there is no $device.
$(what_there_is)"
}

# The misc devices that are registered, one name a line.
misc_names() {
	sed 's/^ *[0-9]* //' /proc/misc | sort
}

# In the place of the device: another one, or what probe() said and came to.
what_there_is() {
	named=$(misc_names | new_in misc)
	if [ -n "$named" ]; then
		echo "misc_register() was given the name \"$named\": it is to be \"${device#/dev/}\"."
	else
		echo 'Does probe() come to misc_register(), or does it return an error before that?'
		step_log | grep "soc:$node" | sed -n '$s/^\[[^]]*\]/The log has:/p'
	fi
}

holds_channel() {
	channel=$(cat "$work/ours")
	[ -n "$channel" ] || fail 'insmod took no channel: see dma_request_chan_by_mask().' || return
	[ "$(wc -w <"$work/ours")" -eq 1 ] ||
		fail "insmod took more than one channel: $channel. See dma_request_chan_by_mask()." || return
	controller=$(basename "$(readlink -f "/sys/class/dma/$channel/device")")
	irq=$(dma_lines | new_in irqs)
}

# can_be_opened: tried by another process, as a failed redirection ends the shell.
can_be_opened() {
	sh -c ': <"$0"' "$device" 2>"$work/open" || fail \
		"$device cannot be opened: $(cat "$work/open"). See .fops in struct miscdevice."
}

# An open file holds the module; whoever takes the device away through sysfs all
# the same must get away with it. It is another process that has the file: without
# the module, closing it ends that one.
stays_while_open() {
	can_be_opened || return
	[ -p "$work/let_go" ] || mkfifo "$work/let_go"
	sh -c 'read -r _ && exec head -c 1 <&5' <>"$work/let_go" >/dev/null 2>&1 5<"$device" &
	job=$!
	soon [ -e "/proc/$job/fd/5" ]
	! rmmod "$module" 2>/dev/null ||
		fail "rmmod took the module away under an open file: see .owner in struct file_operations." || return
	bus=/sys/bus/platform/devices/soc:$node/driver
	if [ -e "$bus/unbind" ]; then
		driver=$(readlink -f "$bus")
		echo "soc:$node" >"$driver/unbind"
	fi
	echo >"$work/let_go"
	wait "$job" 2>/dev/null || true
	[ ! -e "${driver-}/bind" ] || echo "soc:$node" >"$driver/bind" ||
		fail "The device was unbound while a file was open, and does not come back: see suppress_bind_attrs."
}

# Before anybody sets it.
default_timeout() {
	cat "/sys/module/$module/parameters/timeout_ms" 2>/dev/null || true
}

gives_channel_back() {
	may_witness || true
	gives_all_but_memory_back && loads && holds_channel
}

# Its records are for gives_all_but_memory_back alone: those of the steps stay.
goes() {
	steps_calls=$calls
	calls=$work/rmmod.calls
	witness rmmod "$module" 2>"$work/rmmod" && gone=0 || gone=1
	calls=$steps_calls
	[ "$gone" -eq 0 ] || fail "rmmod: $(cat "$work/rmmod")" || return
	[ ! -e "$device" ] || fail "The module is gone, $device is not: see misc_deregister()."
}

# Lost memory is looked for at the end alone: a debug kernel takes many seconds for it.
gives_everything_back() {
	leaks_note
	gives_all_but_memory_back && no_memory_left && locks_were_watched
}

# After its first report, or when its tables are full, lockdep switches itself off.
locks_were_watched() {
	[ ! -e /proc/lockdep_stats ] || grep -q 'debug_locks: *1$' /proc/lockdep_stats ||
		fail "This kernel's check of locks has switched itself off: see dmesg for why."
}

gives_all_but_memory_back() {
	goes || return
	left=$(channels_in_use | new_in channels | grep -xF -f "$work/ours" || true)
	[ -z "$left" ] || fail "The module is gone, but $left is still in use: see dma_release_channel()." || return
	no_mapping_left || return
	[ -e "$work/rmmod.calls" ] || return 0
	sed '/^release/,$d' "$work/rmmod.calls" | grep -q '^terminate' || fail \
		"The channel is given back as it is: see dmaengine_terminate_sync(), before dma_release_channel().
Seen of rmmod: $(cut -d ' ' -f 1 "$work/rmmod.calls" | paste -sd ' ')"
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# What a process makes the kernel do: probes on the functions of the DMA API,
# recorded by the kernel's own tracing while one command runs. No driver can
# pretend to have called them.
#
#   can_witness             the probes are set; or a step that cannot do without skips itself
#   may_witness             the probes are set; or it is false
#   witness COMMAND...      runs it; the calls are in $calls
#   witness_stop
#   witness_prepare         on a Pi that is saved, for tests to start from: the probes are set
#                           already, which takes the kernel longer than many a step

tracing=/sys/kernel/tracing
instance=$tracing/instances/dma-labs
calls=${work:?}/calls
prepared=/probes-are-set

# A device's name is the first thing that a struct device points to.
witness_probes() {
	cat <<-'EOF'
		r:dma_labs/mapped dma_map_page_attrs bus=$retval:x64
		p:dma_labs/map dma_map_page_attrs device=+0(+0($arg1)):string length=$arg4:u64 direction=$arg5:u32
		p:dma_labs/unmap dma_unmap_page_attrs device=+0(+0($arg1)):string length=$arg3:u64 direction=$arg4:u32
		p:dma_labs/map_table dma_map_sgtable device=+0(+0($arg1)):string direction=$arg3:u32
		p:dma_labs/unmap_table dma_unmap_sg_attrs device=+0(+0($arg1)):string entries=$arg3:u32 direction=$arg4:u32
		p:dma_labs/alloc dma_alloc_attrs device=+0(+0($arg1)):string length=$arg2:u64
		p:dma_labs/free dma_free_attrs device=+0(+0($arg1)):string length=$arg2:u64 bus=$arg4:x64
		p:dma_labs/mmap dma_mmap_attrs device=+0(+0($arg1)):string bus=$arg4:x64 length=$arg5:u64
		p:dma_labs/prepare bcm2835_dma_prep_dma_memcpy to=$arg2:x64 from=$arg3:x64 length=$arg4:u64 flags=$arg5:x64
		p:dma_labs/submit vchan_tx_submit
		p:dma_labs/issue bcm2835_dma_issue_pending
		p:dma_labs/terminate bcm2835_dma_terminate_all
		p:dma_labs/synchronize bcm2835_dma_synchronize
		p:dma_labs/status bcm2835_dma_tx_status
		p:dma_labs/release bcm2835_dma_free_chan_resources
	EOF
}

is_32_bit() {
	case $(uname -m) in
	arm*) ;;
	*) return 1 ;;
	esac
}

# A 32-bit kernel has 64-bit bus addresses when it is for memory beyond 4 GiB (LPAE), or
# can be a guest of Xen's.
bus_is_64_bit() {
	case $(uname -r) in
	*lpae* | *-v7l*) return ;;
	esac
	grep -q ' xen_swiotlb_map_page$' /proc/kallsyms
}

# 32-bit Linux cannot tell an argument by its number. The first four words are in
# registers, the others on the stack; what is of 64 bits takes two, the first of them even.
for_this_kernel() {
	# shellcheck disable=SC2016 # for the kernel to expand
	script='s/$arg1/%r0/g; s/$arg2/%r1/g; s/$arg3/%r2/g; s/$arg4/%r3/g; s/$arg5/$stack0/g'
	! bus_is_64_bit || script="
		/ dma_unmap_page_attrs /{ s/\$arg3/\$stack0/; s/\$arg4/\$stack1/ }
		/ dma_free_attrs /s/\$arg4/\$stack0/
		/ dma_mmap_attrs /{ s/\$arg4/\$stack0/; s/\$arg5/\$stack2/ }
		/_memcpy /{ s/\$arg2/%r2/; s/\$arg3/\$stack0/; s/\$arg4/\$stack2/; s/\$arg5/\$stack3/ }
		$script"
	if is_32_bit; then sed "$script"; else cat; fi
}

witness_start() {
	[ -e "$tracing/kprobe_events" ] ||
		mount -t tracefs tracefs "$tracing" 2>/dev/null || return 1
	[ -e "$prepared" ] || set_probes || return 1
	mkdir "$instance" && echo 1 >"$instance/events/dma_labs/enable"
}

# Those that an earlier run has left may be others.
set_probes() {
	! grep -q dma_labs "$tracing/kprobe_events" || witness_stop
	witness_probes | for_this_kernel >>"$tracing/kprobe_events" 2>/dev/null
}

witness_prepare() {
	[ ! -e "$tracing/kprobe_events" ] || ! set_probes || : >"$prepared"
}

witness_stop() {
	[ -e "$tracing/kprobe_events" ] && [ ! -e "$prepared" ] || return 0
	if [ -d "$instance" ]; then
		echo 0 >"$instance/events/dma_labs/enable"
		rmdir "$instance"
	fi
	sed -n 's/^[pr][0-9]*:\(dma_labs[^ ]*\) .*/-:\1/p' "$tracing/kprobe_events" >"$work/probes"
	cat "$work/probes" >>"$tracing/kprobe_events"
}

can_witness() {
	[ -d "$instance" ] || witness_start ||
		skip 'this kernel has no kprobe events, or no bcm2835-dma driver with these functions'
}

# The same for a step of which something is left without: it is not skipped.
may_witness() {
	can_witness || {
		# shellcheck disable=SC2034 # ktap.sh's
		skipped=''
		return 1
	}
}

# The directions by their names, as those who read them know them.
#
# Setting the process empties the filter first: nothing is recorded meanwhile.
witness() {
	[ -d "$instance" ] || {
		"$@"
		return
	}
	echo 0 >"$instance/tracing_on"
	echo >"$instance/trace"
	sh -c 'echo $$ >"$0/set_event_pid"; echo 1 >"$0/tracing_on"; exec "$@"' "$instance" "$@" &&
		status=0 || status=$?
	sed -n 's/direction=1\( \|$\)/direction=DMA_TO_DEVICE\1/
		s/direction=2\( \|$\)/direction=DMA_FROM_DEVICE\1/
		s/direction=0\( \|$\)/direction=DMA_BIDIRECTIONAL\1/
		s/^.*: \([a-z_]*\): (\(dma_\|vchan_\|bcm2835_\|[^ )]* <- dma_\)[^)]*) */\1 /p' \
		"$instance/trace" >"$calls"
	return "$status"
}

# called PATTERN: how many of the recorded calls match.
called() {
	grep -c -- "$1" "$calls" || true
}

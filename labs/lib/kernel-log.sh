# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# After ktap.sh: a step, or check, in which the kernel reported trouble has failed.
# shellcheck disable=SC2154,SC2034 # number, checks, work and skipped are ktap.sh's

before_step() {
	mark="dma-labs: run $$, step $number.$checks begins"
	echo "<6>$mark" >/dev/kmsg
}

# What the kernel log has since the step's mark.
step_log() {
	dmesg | sed -n "/$mark/,\$p"
}

# What reports trouble in it.
kernel_reports() {
	step_log >"$work/log"
	[ -s "$work/log" ] || echo 'so much that the log overflowed in this step'
	grep -E -f ../lib/kernel-reports "$work/log" || true
}

# In which function of the driver that was, by the first call trace.
culprit() {
	sed -n "s/.* \([a-z0-9_]*\)+0x[^ ]* \[${module-}\]\$/, in \1()/p" "$work/log" | head -n 1
}

# Mostly the mark is the last line, and there is nothing to look for. The end of the
# log is enough to see that: a dmesg that is not busybox's gives it by -S.
log_end='dmesg -s 512'
! dmesg -S -s 512 >/dev/null 2>&1 || log_end='dmesg -S -s 512'

after_step() {
	case $($log_end) in
	*"$mark") return 0 ;;
	esac
	kernel_reports >"$work/reports"
	[ -s "$work/reports" ] || return 0
	skipped=''
	case $hints in
	*"$(head -n 1 "$work/reports")"*) return 1 ;;
	esac
	fail "The kernel reported: $(head -n 1 "$work/reports")$(culprit)"
}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Says what is missing here to build a module, and how to have it: a line for each
# finding, and below it, indented, what to do. Silent when nothing is missing.
#
# usage: labs/lib/headers.sh [KDIR]    the headers; default: the running kernel's
#
# The labs' Makefiles ask it first: without headers, all that kbuild has to say is "No
# such file or directory".
#
# Environment:
#   ARCH, CROSS_COMPILE, CC   as for kbuild: whom it builds for is then not asked
#   ROOT                      stands before each path, for the tests
set -eu

# problem WHAT REMEDY...: a remedy a line.
problem() {
	status=1
	printf '%s\n' "$1"
	shift
	printf '%s\n' "$@" | sed 's/^/  /'
}

codename() {
	# shellcheck source=/dev/null
	(. "$ROOT/etc/os-release" 2>/dev/null && echo "${VERSION_CODENAME-}")
}

# Raspberry Pi OS before bookworm has the headers of its newest kernel in one package; that
# kernel's name ends in a plus. Since then, each kernel's are in a package of its name.
package() {
	case $(codename):$release in
	stretch:*+ | buster:*+ | bullseye:*+) echo raspberrypi-kernel-headers ;;
	*) echo "linux-headers-$release" ;;
	esac
}

# install_headers OPTION: the commands. A name that ends in a plus is, since bookworm, no
# package's.
install_headers() {
	case $(package) in
	linux-headers-*+)
		echo "The + says that this kernel is by rpi-update, or one of your own: apt has no headers for it."
		echo "Back to the system's own: sudo apt install --reinstall raspi-firmware, then sudo reboot."
		echo "For one of your own: make KDIR=/path/to/its/source"
		;;
	*)
		echo "sudo apt install $1$(package)"
		echo "If apt knows no such package: sudo apt update, and again. If it does not know it any more:"
		echo "sudo apt full-upgrade, then sudo reboot, and make again: it names the new kernel's."
		;;
	esac
}

# What stands behind the version tells which of a system's kernels it is: ...-rpi-v8.
flavour() {
	case $1 in
	*-*) echo "${1##*-}" ;;
	*) echo "$1" | tr -d 0-9. ;;
	esac
}

# newer_kernel: the newest kernel of this kind that is installed with its headers, if
# it is newer than the one that runs.
newer_kernel() {
	for folder in "$ROOT"/lib/modules/*; do
		other=${folder##*/}
		[ ! -e "$folder/build/Makefile" ] || [ ! -d "$folder/kernel" ] ||
			[ "$(flavour "$other")" != "$(flavour "$release")" ] || echo "$other"
	done | { cat && echo "$release"; } | sort -V | tail -n 1
}

not_there() {
	grep -q "Raspberry Pi" "$ROOT/proc/device-tree/model" 2>/dev/null || {
		problem "This is no Raspberry Pi, and there are no kernel headers for its own Linux, $release." \
			"For the emulated Pi, at the top of the workbook: make test LAB=1"
		return
	}
	newest=$(newer_kernel)
	if [ "$newest" != "$release" ]; then
		problem "Linux $release runs, and the kernel headers here are those of $newest." \
			"Was there an upgrade? Start the new kernel: sudo reboot"
	elif [ -h "$kdir" ]; then
		problem "$kdir leads to $(readlink "$kdir"), which is not there." \
			"$(install_headers '--reinstall ')"
	else
		problem "There are no kernel headers for Linux $release, which runs: no $own." "$(install_headers '')"
	fi
}

# What modules are made for: include/config/kernel.release may be the source's version.
made_for() {
	sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' "$kdir/include/generated/utsrelease.h" 2>/dev/null
}

own_headers() {
	[ -e "$kdir/Makefile" ] || {
		not_there
		return
	}
	others=$(made_for) || others=''
	case $others in
	"$release") ;;
	'') problem "The kernel headers in $own are not whole." "$(install_headers '--reinstall ')" ;;
	*)
		problem "The kernel headers in $own are those of Linux $others, and $release runs." \
			"$(install_headers '--reinstall ')"
		;;
	esac
}

other_headers() {
	[ -e "$kdir/Makefile" ] || problem "There are no kernel headers in $kdir." \
		"KDIR= takes the folder of a kernel's headers, or of its source after make modules_prepare."
}

# tool COMMAND PACKAGES
tool() {
	command -v "$1" >/dev/null || problem "There is no $1 here." "sudo apt install $2"
}

# What the programs here are made for: aarch64-..., arm-....
userland() {
	# shellcheck disable=SC2086 # ccache gcc, say
	$compiler -dumpmachine 2>/dev/null || dpkg --print-architecture 2>/dev/null || true
}

# The kernel's name for it, and the compiler's and dpkg's.
same_width() {
	case $(uname -m):$(userland) in
	aarch64:arm-* | aarch64:armhf | aarch64:armel)
		problem "The kernel is a 64-bit one (aarch64), the compiler a 32-bit one ($(userland))." \
			"Take the 64-bit system; or put arm_64bit=0 into $firmware/config.txt," \
			"sudo reboot, and build for the 32-bit kernel."
		return 1
		;;
	esac
}

ROOT=${ROOT-}
release=$(uname -r)
own=/lib/modules/$release/build
kdir=${1:-$own}
compiler=${CC:-${CROSS_COMPILE-}gcc}
firmware=/boot/firmware
[ -e "$ROOT$firmware/config.txt" ] || [ ! -e "$ROOT/boot/config.txt" ] || firmware=/boot
status=0
tool make make
tool "${compiler%% *}" 'gcc libc6-dev'
if [ "$kdir" != "$own" ]; then
	other_headers
elif [ -n "${ARCH-}${CROSS_COMPILE-}" ] || same_width; then
	kdir=$ROOT$own
	own_headers
fi
exit $status

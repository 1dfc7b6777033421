#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The doctor finds what is wrong, says what to do, and finds nothing else: on emulated
# Pis that are broken on purpose, and on Pis that are no more than a folder. What
# pi/install puts on such a one, pi/install -u takes away again.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh
# shellcheck source=tests/lib/expect.sh
. tests/lib/expect.sh

# ---- what the doctor says -------------------------------------------------------

# page: what it said is in $work/out; here, all of it on one line.
page() {
	tr -s ' \n' '  ' <"$work/out"
}

# says PROBLEMS TEXT...: so many were found, it ended so, and in this order said this.
says() {
	problems=$1
	shift
	found=$(grep -c '^PROBLEM' "$work/out") || true
	[ "$found" -eq "$problems" ] ||
		fail "$found problems were found, not $problems: $(cat "$work/out")" || return
	grep -qx "exit $((problems > 0))" "$work/out" ||
		fail "The exit status was not $((problems > 0)): $(cat "$work/out")" || return
	rest=$(page)
	for text in "$@"; do
		case $rest in
		*"$text"*) rest=${rest#*"$text"} ;;
		*) fail "\"$text\" is not there, or not in its place: $(cat "$work/out")" || return ;;
		esac
	done
	[ -z "$(awk 'length > 80' "$work/out")" ] || fail "This is wider than a page: $(awk 'length > 80' "$work/out")"
}

# problem WHAT REMEDY: that one, and no other.
problem() {
	says 1 "PROBLEM" "$1" "-->" "$2"
}

# ---- emulated Pis -----------------------------------------------------------------

# A module whose probe() fails, and one that says it is for another kernel than the one that runs.
build_modules() {
	cp -r solutions/lab-1-dma-m2m "$work/fails"
	sed -i 's/^\tm2m->dev = &pdev->dev;/&\n\tif (m2m->dev)\n\t\treturn -EIO;/' "$work/fails/dma_m2m.c"
	fails=$(ANSWER=$work/fails pi/lab build 1)/dma_m2m.ko
	lab_2=$(SOLUTION=1 pi/lab build 2)/driver/dma_mmap_driver.ko
	lab_1=$(SOLUTION=1 pi/lab build 1)/dma_m2m.ko
	other=$work/other.ko
	LC_ALL=C sed 's/vermagic=[0-9]*/vermagic=5/' "$lab_1" >"$other"
	echo 'student:x:1000:1000::/tmp:/bin/sh' >"$work/passwd"
}

# guest NAME OVERLAY WORDS WAY...: what it shows comes to $work/NAME.
guest() {
	name=$1 overlay=$2 words=$3
	shift 3
	pi/run -o "$overlay" -a "maxcpus=1 $words" -l "$work/$name.log" pi/doctor=bin/doctor pi/doctor-pi.sh=bin/doctor-pi.sh \
		labs/lib/headers.sh=labs/lib/headers.sh labs/lib/ktap.sh=labs/lib/ktap.sh \
		labs/lib/engine.sh=labs/lib/engine.sh tests/guest/doctor.sh=doctor.sh "$lab_1=labs/lab-1-dma-m2m/dma_m2m.ko" \
		"$lab_2=labs/lab-2-dma-mmap/driver/dma_mmap_driver.ko" "$fails=fails.ko" "$other=other.ko" \
		"$work/passwd=etc/passwd" -- /doctor.sh "$@" >"$work/$name" 2>&1 || true
}

# overlay NAME PATH CONTENTS: the labs' nodes, and this on top.
overlay() {
	sed '$d' pi/dma-labs.dts >"$work/$1.dts"
	printf '\tfragment@1 {\n\t\ttarget-path = "%s";\n\t\t__overlay__ {\n%s\n\t\t};\n\t};\n};\n' \
		"$2" "$3" >>"$work/$1.dts"
}

make_overlays() {
	controller=/soc/$(fdtget -l "$(pi/kernel)/dtbs/bcm2837-rpi-3-b.dtb" /soc | grep '^dma')
	overlay disabled /soc 'dma-sg { status = "disabled"; };'
	overlay dead "$controller" 'status = "disabled";'
	overlay narrow "$controller" 'brcm,dma-channel-mask = <0x1>;'
	overlay fewer "$controller" 'brcm,dma-channel-mask = <0xff35>;'
	printf '/dts-v1/;\n/plugin/;\n/ { fragment@0 { target-path = "/soc"; __overlay__ { }; }; };\n' >"$work/empty.dts"
}

# All at once would take longer: the machine may have two processors.
start_guests() {
	build_modules >"$work/build" 2>&1 || fail "$(cat "$work/build")" || return
	make_overlays
	guest whole pi/dma-labs.dts iomem=relaxed as_it_is loaded ordinary_user engine_off stale \
		not_bound other_kernel clock_behind &
	long=$!
	{
		guest strict pi/dma-labs.dts '' loaded
		guest empty "$work/empty.dts" iomem=relaxed as_it_is
		guest at_root tests/hang/at-root.dts iomem=relaxed as_it_is
		guest disabled "$work/disabled.dts" iomem=relaxed as_it_is
		guest dead "$work/dead.dts" iomem=relaxed loaded
		guest narrow "$work/narrow.dts" iomem=relaxed lab_2_too
		guest fewer "$work/fewer.dts" iomem=relaxed as_it_is stops_engine
	} &
	short=$!
}

# shown NAME WAY: in $work/out is what the doctor said there.
shown() {
	sed -n "/^== $2\$/,/^==/p" "$work/$1" | grep -v '^==' >"$work/out"
	[ -s "$work/out" ] || fail "The emulated Pi did not come to it: $(cat "$work/$1")"
}

good_guest() {
	wait "$long" "$short"
	shown whole as_it_is && says 0 'Raspberry Pi 3 Model B' 'unseen Compiler and kernel headers' \
		'11 DMA channels (mask 0x7f35), 11 free' 'built for this kernel' 'Nothing is in the way' || return
	shown whole loaded && says 0 '10 free; held: dma0chan0 (dma_m2m)' 'makes /dev/dma_m2m_misc_dev'
}

no_overlay() {
	shown empty as_it_is &&
		problem 'no node dma-m2m dma-mmap dma-sg in /soc' 'Start it with the overlay pi/dma-labs.dts'
}

outside_soc() {
	shown at_root as_it_is &&
		problem 'Outside of /soc: /dma-mmap. There, bus addresses' 'Take away what puts it there'
}

node_disabled() {
	shown disabled as_it_is && problem 'disabled: dma-sg' 'Take the status away'
}

controller_disabled() {
	shown dead loaded && problem 'The DMA controller is disabled' 'Start it without the overlay' &&
		says 1 'dma_m2m is loaded, and has no device: see above'
}

no_channel() {
	shown narrow lab_2_too &&
		problem '1 DMA channels (mask 0x1), 0 free; held: dma0chan0 (dma_m2m). So there is none for dma_mmap_driver' \
			'sudo rmmod dma_m2m' && says 1 'there is no channel: see above'
}

# Of a channel 15 the driver knows nothing.
fewer_than_mask() {
	shown fewer as_it_is && says 0 'Of the 12 channels in the mask Linux has 11' || return
	shown fewer stops_engine
	grep -q "skipped: which of the controller's channels dma0chan0 is cannot be told" "$work/out" ||
		fail "The tests would stop a channel: $(cat "$work/out")"
}

other_kernels_module() {
	shown whole other_kernel && problem 'labs/lab-1-dma-m2m/dma_m2m.ko was built for Linux' 'Build it for this kernel'
}

stale_module() {
	shown whole stale && problem 'is not the one that was built last' 'sudo rmmod dma_m2m && sudo insmod'
}

not_bound() {
	shown whole not_bound && problem 'its probe() has failed' 'dmesg says: '
}

no_permission() {
	shown whole ordinary_user && problem 'student may not read and write /dev/dma_m2m_misc_dev' 'Be root' &&
		says 1 'only root can see that'
}

engine_off() {
	shown whole engine_off && problem 'Channel 0 is switched off' 'or sudo reboot'
}

not_relaxed() {
	shown strict loaded && says 0 'unseen Whether the engine' 'note Without iomem=relaxed'
}

clock_behind() {
	shown whole clock_behind && problem 'The clock says 1970-01-01' 'sudo date -s'
}

# ---- Pis that are a folder ----------------------------------------------------------

running=6.6.31+rpt-rpi-v8

# tool NAME: a script on standard input in the place of a program.
tool() {
	rm -f "$work/bin/$1"
	{ echo '#!/bin/sh' && cat; } >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

# What a Pi has of programs, and nothing that this machine has besides. What is in /usr/sbin is not
# found, as after su.
make_tools() {
	rm -rf "${work:?}/bin"
	mkdir "$work/bin"
	for program in awk basename busybox cat chmod cp cut date depmod df dirname dtc env find fold grep \
		head ls make mkdir mktemp mv od readlink realpath rm rmdir sed sh sort sync tail tr wc zcat; do
		path=$(command -v "$program") || path=/bin/true
		ln -s "$path" "$work/bin/$program"
	done
	tool uname <<-EOF
		case \${1-} in -m) echo aarch64 ;; *) echo $running ;; esac
	EOF
	echo "echo aarch64-linux-gnu" | tool gcc
	tool id <<-'EOF'
		case ${1-} in -u) echo 1000 ;; -un) echo student ;; *) echo student dma-labs ;; esac
	EOF
	echo 'echo "depmod was called: $*"' | tool depmod
}

# give FILE TEXT: on the Pi that is a folder.
give() {
	mkdir -p "$(dirname "$pi/$1")"
	printf '%b' "$2" >"$pi/$1"
}

make_system() {
	give proc/cmdline 'root=/dev/mmcblk0p2 iomem=relaxed\n'
	give proc/meminfo 'MemTotal:         936104 kB\n'
	give proc/modules ''
	give etc/os-release 'VERSION_CODENAME=bookworm\n'
	give etc/group 'root:x:0:\nstudent:x:1000:\ndma-labs:x:998:student\n'
	give etc/gshadow 'root:*::\nstudent:!::\ndma-labs:!::student\n'
	give etc/passwd 'root:x:0:0:root:/root:/bin/sh\nstudent:x:1000:1000::/home/student:/bin/sh\n'
	give etc/udev/rules.d/60-dma-labs.rules ''
	give usr/include/stdio.h ''
	give "boot/config-$running" 'CONFIG_KPROBE_EVENTS=y\n'
	give boot/firmware/config.txt 'arm_64bit=1\n[pi4]\ndtoverlay=dma-labs\n'
	give boot/firmware/overlays/dma-labs.dtbo ''
	give "lib/modules/$running/build/Makefile" ''
	give "lib/modules/$running/build/include/generated/utsrelease.h" "#define UTS_RELEASE \"$running\"\n"
}

make_devices() {
	soc=proc/device-tree/soc
	give proc/device-tree/model 'Raspberry Pi 3 Model B Rev 1.2\0000'
	give proc/device-tree/compatible 'raspberrypi,3-model-b\0000brcm,bcm2837\0000'
	give "$soc/dma@7e007000/compatible" 'brcm,bcm2835-dma\0000'
	give "$soc/dma@7e007000/brcm,dma-channel-mask" '\0000\0000\0177\0065'
	devices=sys/bus/platform/devices
	mkdir -p "$pi/$devices/3f007000.dma" "$pi/sys/bus/platform/drivers/bcm2835-dma"
	ln -s "$pi/$soc/dma@7e007000" "$pi/$devices/3f007000.dma/of_node"
	ln -s ../../drivers/bcm2835-dma "$pi/$devices/3f007000.dma/driver"
	for node in dma-m2m dma-mmap dma-sg; do
		give "$soc/$node/compatible" "dma-labs,$node\0000"
		mkdir "$pi/$devices/soc:$node"
	done
	for channel in 0 1 2 3 4 5 6 7 8 9 10; do
		give "sys/class/dma/dma0chan$channel/in_use" '0\n'
		ln -s "../../../bus/platform/devices/3f007000.dma" "$pi/sys/class/dma/dma0chan$channel/device"
	done
	give sys/class/dma/dma0chan0/in_use '1\n'
	mkdir "$pi/$devices/3f202000.mmc"
	ln -s "$pi/$devices/3f202000.mmc" "$pi/sys/class/dma/dma0chan0/slave"
}

# a_pi: a good one, anew.
a_pi() {
	pi=$work/pi
	rm -rf "$pi"
	make_tools
	make_system
	make_devices
}

# A copy, so that what is built in labs/ here does not count.
make_book() {
	book=$work/book
	mkdir "$book"
	tar -cf - --exclude='*.ko' --exclude=solution pi labs Makefile | tar -xf - -C "$book"
}

# examine: the doctor, on that Pi.
examine() {
	PATH=$work/bin ROOT=$pi "$book/pi/doctor" >"$work/out" 2>&1 && got=0 || got=$?
	echo "exit $got" >>"$work/out"
}

# broken WHAT REMEDY: the problem that it has now. Then it is whole again.
broken() {
	examine
	problem "$@" && a_pi
}

good_folder() {
	a_pi
	examine
	says 0 'Compiler and kernel headers are there' 'held: dma0chan0 (3f202000.mmc)' \
		'Not built yet: lab 1 2 3' 'student is in the group dma-labs'
}

headers=lib/modules/$running/build

no_headers() {
	a_pi
	rm -r "${pi:?}/$headers"
	PATH=$work/bin ROOT=$pi make -C "$book/labs/lab-1-dma-m2m" >"$work/make" 2>&1 && fail 'make succeeded.' && return 1
	grep -v '^make: \|^  ' "$work/make" | grep -qx "There are no kernel headers for Linux $running, which runs: no /$headers." ||
		fail "make said: $(cat "$work/make")" || return
	! grep -q 'No such file' "$work/make" || fail "make said: $(cat "$work/make")" || return
	broken 'There are no kernel headers' "sudo apt install linux-headers-$running" || return
	running=6.1.21-v8+
	a_pi
	rm -r "${pi:?}/lib/modules/$running/build"
	give etc/os-release 'VERSION_CODENAME=bullseye\n'
	running=6.6.31+rpt-rpi-v8
	broken 'There are no kernel headers' 'sudo apt install raspberrypi-kernel-headers' || return
	running=6.6.31-v8+
	a_pi
	rm -r "${pi:?}/lib/modules/$running/build"
	running=6.6.31+rpt-rpi-v8
	broken 'There are no kernel headers' 'by rpi-update, or one of your own' || return
	CC='gcc -pipe' && export CC
	good_folder && got=0 || got=1
	unset CC
	return "$got"
}

other_headers() {
	a_pi
	give "$headers/include/generated/utsrelease.h" '#define UTS_RELEASE "6.6.20+rpt-rpi-v8"\n'
	broken 'are those of Linux 6.6.20+rpt-rpi-v8' 'sudo apt install --reinstall linux-headers-6.6.31+rpt-rpi-v8' || return
	rm -r "${pi:?}/$headers"
	ln -s /usr/src/no-such-headers "$pi/$headers"
	broken 'leads to /usr/src/no-such-headers, which is not there' '--reinstall' || return
	rm -r "${pi:?}/$headers/include"
	broken 'are not whole' '--reinstall'
}

# The Pi 5's kernel is installed beside the others', and has nothing to do with it.
no_reboot() {
	a_pi
	rm -r "${pi:?}/$headers"
	for other in 6.6.51+rpt-rpi-v8 6.6.51+rpt-rpi-2712; do
		give "lib/modules/$other/build/Makefile" ''
		mkdir "$pi/lib/modules/$other/kernel"
	done
	broken 'kernel headers here are those of 6.6.51+rpt-rpi-v8' 'sudo reboot' || return
	rm -r "${pi:?}/$headers"
	give lib/modules/6.6.51+rpt-rpi-2712/build/Makefile ''
	mkdir "$pi/lib/modules/6.6.51+rpt-rpi-2712/kernel"
	broken 'There are no kernel headers' 'sudo apt install linux-headers-6.6.31+rpt-rpi-v8'
}

no_compiler() {
	a_pi
	rm "$work/bin/gcc"
	broken 'There is no gcc here' 'sudo apt install gcc libc6-dev' || return
	rm "$pi/usr/include/stdio.h"
	broken 'no C library' 'sudo apt install libc6-dev'
}

two_widths() {
	a_pi
	echo 'echo arm-linux-gnueabihf' | tool gcc
	broken 'the compiler a 32-bit one' 'arm_64bit=0 into /boot/firmware/config.txt'
}

overlay_not_loaded() {
	a_pi
	rm -r "${pi:?}"/proc/device-tree/soc/dma-*
	examine
	problem 'the overlay is installed, and was not there at the last boot' 'sudo reboot' &&
		says 1 'below [pi4], say, is for that board only' || return
	a_pi
	rm -r "${pi:?}"/proc/device-tree/soc/dma-*
	give boot/firmware/config.txt '#dtoverlay=dma-labs\n'
	examine
	problem 'config.txt has no line dtoverlay=dma-labs' 'sudo make install' || return
	! grep -q 'Nothing is in the way' "$work/out" || fail "Without the nodes, no test runs: $(cat "$work/out")" || return
	a_pi
	rm -r "${pi:?}"/proc/device-tree/soc/dma-* "$pi/boot/firmware/overlays/dma-labs.dtbo"
	broken 'dma-labs.dtbo is not there' 'sudo make install'
}

not_in_group() {
	a_pi
	give etc/group 'root:x:0:\ndma-labs:x:998:students\n'
	broken 'student may not use' 'sudo usermod -aG dma-labs student' || return
	tool id <<-'EOT'
		case ${1-} in -u) echo 1000 ;; *) echo student ;; esac
	EOT
	broken 'was not when logging in' 'Log out'
}

other_pis() {
	a_pi
	rm -r "$pi/sys/class/dma/dma0chan10"
	examine
	says 0 'Of the 11 channels in the mask Linux has 10' 'test.sh skips what stops the engine' || return
	a_pi
	give proc/device-tree/compatible 'raspberrypi,4-model-b\0000brcm,bcm2711\0000'
	give proc/meminfo 'MemTotal:        3884000 kB\n'
	give proc/device-tree/scb/dma@7e007b00/compatible 'brcm,bcm2711-dma\0000'
	give sys/class/dma/dma1chan0/in_use '0\n'
	examine
	says 0 'bounce buffers' '40-bit channels' || return
	a_pi
	rm -r "${pi:?}"/proc/device-tree/soc/dma*
	give proc/device-tree/compatible 'raspberrypi,5-model-b\0000brcm,bcm2712\0000'
	broken 'A Pi 5 has another DMA controller' 'Take an earlier Pi'
}

not_strict() {
	a_pi
	give proc/cmdline 'root=/dev/mmcblk0p2\n'
	examine
	says 0 'note Without iomem=relaxed' || return
	for option in IO_STRICT_DEVMEM STRICT_DEVMEM; do
		give "boot/config-$running" "CONFIG_KPROBE_EVENTS=y\n# CONFIG_$option is not set\n"
		examine
		says 0 'Nothing is in the way of a test' || return
	done
}

# The host: what pi/setup looks for is not there.
no_qemu() {
	a_pi
	rm -r "${pi:?}/proc/device-tree"
	(export XDG_CACHE_HOME="$work/cache" && examine)
	says 2 'There is no apt here' 'qemu-system-arm' 'then make test LAB=1' \
		'kernel is not in' 'make test LAB=1 downloads it' 'begin with the first'
}

# ---- install and uninstall ------------------------------------------------------------

# listing: each file with its mode and checksum; but for the backups of groupadd.
listing() {
	(cd "$pi" && find . ! -name '*-' ! -name '.pwd.lock' -printf '%y %m %p\n' | sort -k 3 &&
		find . -type f ! -name '*-' ! -name '.pwd.lock' -exec sha256sum {} + | sort -k 2)
}

# install [-u]: on that Pi.
install() {
	PATH=$work/bin SUDO_USER=student ROOT=$pi "$book/pi/install" "$@" >"$work/out" 2>&1 ||
		fail "pi/install $*: $(cat "$work/out")"
}

# a_bare_pi: without what pi/install puts there, and with what config.txt may have.
a_bare_pi() {
	a_pi
	rm -r "${pi:?}"/proc/device-tree/soc/dma-m* "${pi:?}"/etc/udev/rules.d/*
	give etc/group 'root:x:0:\nstudent:x:1000:\n'
	give etc/gshadow 'root:*::\nstudent:!::\n'
	mkdir -p "$pi/etc/modprobe.d"
	mv "$pi/boot/firmware/overlays/dma-labs.dtbo" "$pi/boot/firmware/overlays/README"
	give boot/firmware/config.txt "$1"
}

# comes_and_goes CONFIG...: with each config.txt, all is again what it was.
comes_and_goes() {
	for config in "$@"; do
		a_bare_pi "$config"
		[ -z "${debian-}" ] || give etc/default/raspi-firmware ''
		listing >"$work/before"
		install && says_installed && listing >"$work/once" || return
		install && listing >"$work/twice" || return
		diff "$work/once" "$work/twice" >"$work/diff" || fail "Twice is not once: $(cat "$work/diff")" || return
		install -u && listing >"$work/after" || return
		diff "$work/before" "$work/after" >"$work/diff" || fail "This is left: $(cat "$work/diff")" || return
	done
}

says_installed() {
	for what in 'log out and in again' 'sudo reboot' 'make doctor'; do
		grep -q "$what" "$work/out" || fail "It does not say \"$what\": $(cat "$work/out")" || return
	done
	tail -n 4 "$pi/boot/firmware/config.txt" | tr '\n' ' ' | grep -qx '# dma-labs: begin.* \[all\] dtoverlay=dma-labs # dma-labs: end ' ||
		fail "config.txt: $(cat "$pi/boot/firmware/config.txt")" || return
	grep -q '^dma-labs:.*:student$' "$pi/etc/group" || fail "The group: $(cat "$pi/etc/group")"
}

installs() {
	comes_and_goes '' 'arm_64bit=1\n' 'a=1\n[pi4]\nb=2' 'a=1\r\n\r\n'
}

installs_on_debian() {
	debian=yes
	comes_and_goes 'made=by-raspi-firmware\n' && debian='' || return
	give etc/default/raspi-firmware ''
	install || return
	grep -q '^dtoverlay=dma-labs$' "$pi/etc/default/raspi-firmware-custom" ||
		fail "raspi-firmware-custom has no such line: $(cat "$work/out")"
}

# What is added after it, and a line that a person wrote, stay.
keeps_lines() {
	a_bare_pi 'a=1'
	install && echo 'b=2' >>"$pi/boot/firmware/config.txt" && install -u || return
	config_is 'a=1\nb=2' || return
	a_bare_pi 'a=1\ndtoverlay=dma-labs\nb=2'
	install && grep -q 'in line 2, which you wrote' "$work/out" || fail "$(cat "$work/out")" || return
	install -u && config_is 'a=1\ndtoverlay=dma-labs\nb=2' || return
	a_bare_pi 'a=1\n[pi4]\r\ndtoverlay=dma-labs\n'
	install || return
	grep -q 'in line 3, below \[pi4\], which you wrote' "$work/out" || fail "$(cat "$work/out")"
}

config_is() {
	[ "$(cat "$pi/boot/firmware/config.txt")" = "$(printf '%b' "$1")" ] ||
		fail "config.txt: $(cat "$pi/boot/firmware/config.txt")"
}

# The card may be in a PC meanwhile, whose editor writes other ends of lines; our last line may
# be lost. What is added is for every board, whatever section the file ended in.
keeps_edited_lines() {
	a_bare_pi 'a=1\n[pi4]\nb=2\n'
	install && sed -i 's/$/\r/' "$pi/boot/firmware/config.txt" && printf 'c=3\r\n' >>"$pi/boot/firmware/config.txt" &&
		install && install -u || return
	tr -d '\r' <"$pi/boot/firmware/config.txt" >"$work/config"
	mv "$work/config" "$pi/boot/firmware/config.txt"
	config_is 'a=1\n[pi4]\nb=2\n[all]\nc=3' || return
	a_bare_pi 'a=1\n'
	install && sed -i '/dma-labs: end/d' "$pi/boot/firmware/config.txt" && echo '[pi4]' >>"$pi/boot/firmware/config.txt" &&
		install -u && config_is 'a=1\n[pi4]'
}

# A module is what a .ko says of itself.
installs_modules() {
	a_bare_pi ''
	printf 'x\0vermagic=%s SMP\0' "$running" >"$book/labs/lab-1-dma-m2m/dma_m2m.ko"
	printf 'x\0vermagic=%s SMP\0' 5.10.0 >"$book/labs/lab-3-sg/driver/dma_sg_driver.ko"
	install || return
	updates=$pi/lib/modules/$running/updates/dma-labs
	[ "$(ls "$updates")" = dma_m2m.ko ] || fail "Installed was: $(ls "$updates")" || return
	grep -q "left out: labs/lab-3-sg/driver/dma_sg_driver.ko is for Linux 5.10.0" "$work/out" &&
		grep -q "depmod was called: -b $pi $running" "$work/out" || fail "$(cat "$work/out")" || return
	grep -qx 'blacklist dma_m2m' "$pi/etc/modprobe.d/dma-labs.conf" || fail 'It would be loaded at boot.' || return
	rm "$book"/labs/*/dma_m2m.ko "$book"/labs/*/*/dma_sg_driver.ko
	mkdir "$pi/lib/modules/6.6.20"
	cp -r "$pi/lib/modules/$running/updates" "$pi/lib/modules/6.6.20"
	install -u || return
	for left in "$pi/lib/modules/$running/updates" "$pi/lib/modules/6.6.20"; do
		[ ! -e "$left" ] || fail "$(find "$left") is left." || return
	done
}

# refuses_install WORDS [-u]: and nothing has changed.
refuses_install() {
	words=$1
	shift
	listing >"$work/before"
	refuses "$words" env PATH="$work/bin" SUDO_USER=student ROOT="$pi" "$book/pi/install" "$@" || return
	listing >"$work/after"
	diff "$work/before" "$work/after" >"$work/diff" || fail "It refused, and changed: $(cat "$work/diff")"
}

install_refuses() {
	a_bare_pi ''
	rm "$work/bin/dtc"
	refuses_install 'there is no dtc.*sudo apt install device-tree-compiler' || return
	a_bare_pi ''
	rm "$pi/boot/firmware/config.txt"
	refuses_install 'is the boot partition mounted' || return
	give boot/config.txt 'The file you are looking for has moved to /boot/firmware/config.txt\n'
	refuses_install 'is the boot partition mounted' || return
	rm "$pi/proc/device-tree/model"
	refuses_install 'this is no Raspberry Pi' || return
	refuses_install 'this is no Raspberry Pi' -u || return
	a_bare_pi ''
	give proc/device-tree/compatible 'raspberrypi,5-model-b\0000brcm,bcm2712\0000'
	refuses_install 'a Pi 5 has another DMA controller' || return
	a_bare_pi ''
	install || return
	give proc/modules 'dma_m2m 16384 1 - Live 0x0\n'
	refuses_install 'dma_m2m is in use.*Nothing has been removed' -u
}

# on_small FOLDER STATE CONFIG COMMAND...: with a small file system of its own there, which has a
# config.txt, and is full or may only be read.
on_small() {
	as_root=-r
	[ "$(id -u)" -ne 0 ] || as_root=''
	# shellcheck disable=SC2016,SC2086 # for the inner shell; a flag or none
	unshare -m $as_root sh -c '
		mount -t tmpfs -o size=16k tmpfs "$1" && printf "%b" "$3" >"$1/config.txt" && mkdir "$1/overlays" &&
			echo old >"$1/overlays/dma-labs.dtbo" || exit 99
		[ "$2" != full ] || dd if=/dev/zero of="$1/kernel.img" bs=4k 2>/dev/null
		[ "$2" != ro ] || mount -o remount,ro "$1" || exit 99
		folder=$1
		shift 3
		"$@" && got=0 || got=$?
		find "$folder" ! -name kernel.img >&3
		cat "$folder/overlays/dma-labs.dtbo" >&3
		exit "$got"' sh "$@" 3>"$work/small"
}

# full_is_told FOLDER CONFIG: and nothing there has changed, nor anything else.
full_is_told() {
	folder=$pi/$1
	mkdir -p "$folder"
	listing >"$work/before"
	refuses 'full? (df -h .*Nothing has been changed' \
		on_small "$folder" full "$2" env PATH="$work/bin" ROOT="$pi" "$book/pi/install" || return
	listing >"$work/after"
	diff "$work/before" "$work/after" >"$work/diff" || fail "It refused, and changed: $(cat "$work/diff")" || return
	printf '%s\n' "$folder" "$folder/config.txt" "$folder/overlays" "$folder/overlays/dma-labs.dtbo" old | sort >"$work/before"
	sort "$work/small" | diff "$work/before" - >"$work/diff" || fail "It refused, and changed: $(cat "$work/diff")"
}

can_mount() {
	on_small "$pi/boot/firmware" rw '' true 2>/dev/null || skip 'no namespaces here'
}

firmware_refuses() {
	a_bare_pi ''
	can_mount || return
	refuses 'may not be written to: is it mounted read-only' \
		on_small "$pi/boot/firmware" ro '' env PATH="$work/bin" ROOT="$pi" "$book/pi/install" || return
	full_is_told boot/firmware 'a=1\n' && full_is_told boot/firmware 'dtoverlay=dma-labs\n'
}

system_is_full() {
	a_bare_pi ''
	can_mount || return
	full_is_told etc/modprobe.d '' || return
	printf 'x\0vermagic=%s SMP\0' "$running" >"$book/labs/lab-1-dma-m2m/dma_m2m.ko"
	full_is_told "lib/modules/$running/updates" '' && got=0 || got=1
	rm "$book/labs/lab-1-dma-m2m/dma_m2m.ko"
	return "$got"
}

plan 34
step "emulated Pis, broken on purpose, are started" start_guests
make_book
step "a good Pi has no problem" good_folder
step "no headers: the package's name, from make, too" no_headers
step "another kernel's headers, or none behind a link, or a part of them" other_headers
step "an upgrade without a reboot; but not for another kind of kernel" no_reboot
step "no compiler, no C library" no_compiler
step "a 64-bit kernel under a 32-bit system" two_widths
step "the overlay is not loaded, not named, not there" overlay_not_loaded
step "a user who is not in the group, or not since the login" not_in_group
step "Raspberry Pi's own kernel, a Pi 4, a Pi 5" other_pis
step "a kernel that does not need iomem=relaxed" not_strict
step "a PC without QEMU" no_qemu
step "install, twice, and uninstall: all is what it was" installs
step "the same where Debian makes config.txt" installs_on_debian
step "lines that a person wrote in config.txt stay" keeps_lines
step "nothing else is lost when an editor has changed what install wrote" keeps_edited_lines
step "modules of the running kernel are installed, and never loaded at boot" installs_modules
step "install and uninstall refuse, and change nothing" install_refuses
step "a boot partition that is read-only or full is told" firmware_refuses
step "so is a full disk" system_is_full
needs 1 step "a good emulated Pi has no problem" good_guest
needs 1 step "no overlay" no_overlay
needs 1 step "a node outside of /soc" outside_soc
needs 1 step "a node that is disabled" node_disabled
needs 1 step "a controller that is disabled" controller_disabled
needs 1 step "no channel left: one problem, and what it entails is none" no_channel
needs 1 step "Linux has fewer channels than the mask: no test stops one" fewer_than_mask
needs 1 step "a module of another kernel" other_kernels_module
needs 1 step "a module that is loaded, and was built anew since" stale_module
needs 1 step "a probe that has failed" not_bound
needs 1 step "no permission" no_permission
needs 1 step "an engine that is switched off" engine_off
needs 1 step "no iomem=relaxed: no problem, but what is skipped" not_relaxed
needs 1 step "a clock that is behind the files" clock_behind
finish

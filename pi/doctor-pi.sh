# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # what is not set here is set in pi/doctor
# A part of pi/doctor: a Raspberry Pi, emulated or real.

tree=$ROOT/proc/device-tree
sys=$ROOT/sys
platform=$sys/bus/platform
firmware=/boot/firmware
[ -e "$ROOT$firmware/config.txt" ] || [ ! -e "$ROOT/boot/config.txt" ] || firmware=/boot
relaxed=''
! grep -qsw iomem=relaxed "$ROOT/proc/cmdline" || relaxed=yes

# The small emulated Pi has neither a distribution nor a compiler; a Pi of the workbook's
# own, with whose tree only OVERLAY= can do something.
is_small() {
	[ ! -e "$ROOT/etc/os-release" ]
}

# "NUMBER FOLDER NODE MODULE DEVICE" of each lab.
labs_list='1 lab-1-dma-m2m dma-m2m dma_m2m dma_m2m_misc_dev
2 lab-2-dma-mmap dma-mmap dma_mmap_driver dma_mmap
3 lab-3-sg dma-sg dma_sg_driver dma_sg'

# each_lab FUNCTION: with these in variables.
each_lab() {
	while read -r number folder node module device; do
		"$1"
	done <<-EOT
		$labs_list
	EOT
}

is_loaded() {
	[ -d "$sys/module/$module" ]
}

# The labs' device, and the driver that has it.
is_bound() {
	for there in "$platform"/devices/*:"$node"/driver "$platform/devices/$node/driver"; do
		[ ! -e "$there" ] || return 0
	done
	return 1
}

is_compatible() {
	tr '\0' '\n' 2>/dev/null <"$1/compatible" | grep -qx "$2"
}

is_disabled() {
	[ -e "$1/status" ] || return 1
	case $(property "$1/status") in
	ok | okay) return 1 ;;
	esac
}

# ---- the system --------------------------------------------------------------------

# A Pi has no clock that goes on while it is off.
the_clock() {
	: >"$work/now"
	later=$(find "$labs" -type f -newer "$work/now" | head -n 1)
	if [ -z "$later" ]; then
		ok "The clock is not behind the labs' files."
	else
		problem "The clock says $(date '+%Y-%m-%d %H:%M'), and $later is from later: make cannot tell what is new." \
			"sudo date -s 'YEAR-MONTH-DAY HOUR:MINUTE', or connect it to a network and wait"
	fi
}

the_compiler() {
	if is_small && ! command -v gcc >/dev/null; then
		unseen 'Compiler and kernel headers: this Pi has none, drivers are built elsewhere.'
	elif ! sh "$labs/lib/headers.sh" >"$work/headers" 2>&1; then
		from_headers <"$work/headers"
	elif [ ! -e "$ROOT/usr/include/stdio.h" ]; then
		problem "There is no C library to build the tests' programs with." 'sudo apt install libc6-dev'
	else
		ok "Compiler and kernel headers are there, for the kernel that runs."
	fi
}

# ---- the controller ------------------------------------------------------------------

# Sets $controller, its node, and $owner, its device.
find_controller() {
	controller='' owner=''
	for there in "$tree"/soc*/dma*@*; do
		! is_compatible "$there" brcm,bcm2835-dma || controller=$there
	done
	[ -n "$controller" ] || return 0
	for there in "$platform"/devices/*.dma*; do
		[ "$(readlink -f "$there/of_node")" != "$(readlink -f "$controller")" ] || owner=$there
	done
}

who_disables() {
	if is_small; then
		echo 'Start it without the overlay that does that (OVERLAY=)'
	else
		echo "Take the dtoverlay= or dtparam= that does that out of $firmware/config.txt, then sudo reboot"
	fi
}

the_controller() {
	find_controller
	if [ -z "$controller" ]; then
		no_controller
	elif is_disabled "$controller"; then
		problem "The DMA controller is disabled in the device tree: /soc/${controller##*/}." "$(who_disables)"
	elif [ -e "$owner/driver" ]; then
		ok "The DMA controller, ${owner##*/}, has its driver: $(basename "$(readlink -f "$owner/driver")")."
		return
	elif [ -d "$platform/drivers/bcm2835-dma" ]; then
		problem "The DMA controller has no driver, though the kernel has it." "sudo dmesg | grep 'dma' says why"
	else
		problem "This kernel has no driver for the DMA controller (bcm2835-dma)." \
			"sudo modprobe bcm2835-dma; if there is none, take the distribution's own kernel (CONFIG_DMA_BCM2835)"
	fi
	return 1
}

no_controller() {
	problem "There is no DMA controller (brcm,bcm2835-dma) below /soc in the device tree." \
		"Take the device tree that comes with the distribution's kernel"
}

# All else is of no use there.
is_pi_5() {
	is_compatible "$tree" brcm,bcm2712 || return
	problem "A Pi 5 has another DMA controller, and its pins hang on another chip, RP1: the labs were not made for it." \
		"Take an earlier Pi, or the emulated one, on a PC: $(first_command)"
}

read_mask() {
	mask=$((0x$(od -An -v -t x1 "$controller/brcm,dma-channel-mask" 2>/dev/null | tr -d ' \n' | grep . || echo 0)))
}

# How many bits of the mask are set.
in_mask() {
	bits=0 rest=$mask
	while [ "$rest" -gt 0 ]; do
		bits=$((bits + (rest & 1))) rest=$((rest >> 1))
	done
	echo "$bits"
}

# What a driver has asked for by name has a link to it; the labs' ask for any.
holder() {
	if [ -e "$1/slave" ]; then
		basename "$(readlink -f "$1/slave")"
	else
		echo "${holding:-a driver that asked for any}"
	fi
}

add_holding() {
	! is_bound || holding="${holding:+$holding or }$module"
}

add_waiting() {
	! is_loaded || is_bound || waiting="${waiting:+$waiting, }$module"
}

count_channels() {
	channels=0 free=0 held=''
	for there in "$sys"/class/dma/dma*chan*; do
		[ -e "$there/in_use" ] || continue
		channels=$((channels + 1))
		case $(cat "$there/in_use") in
		0) free=$((free + 1)) ;;
		*) held="${held:+$held, }${there##*/} ($(holder "$there"))" ;;
		esac
	done
}

the_channels() {
	holding='' waiting=''
	each_lab add_holding
	each_lab add_waiting
	count_channels
	read_mask
	counted="$channels DMA channels (mask $(printf '0x%x' "$mask")), $free free${held:+; held: $held}"
	if [ "$channels" -eq 0 ]; then
		problem "Linux has no DMA channel: the mask is $(printf '0x%x' "$mask")." "$(who_disables)"
	elif [ "$free" -gt 0 ]; then
		ok "$counted."
	elif [ -n "$waiting" ]; then
		problem "$counted. So there is none for $waiting." "sudo rmmod ${holding:-what holds one}, then unload and load $waiting"
	elif [ -z "$holding" ]; then
		problem "$counted. So there is none for the labs." 'Take out of config.txt what holds them: SPI, I2S, audio'
	else
		note "$counted. While $holding is loaded, no other lab's driver finds one."
	fi
}

# Raspberry Pi's own kernel can keep channel 0 for an old interface: then dma0chan0 is not the
# first bit of the mask, by which the labs' tests find a channel's registers.
the_other_kernel() {
	own=0
	for there in "$sys"/class/dma/dma*chan*; do
		[ "$(readlink -f "$there/device")" != "$(readlink -f "$owner")" ] || own=$((own + 1))
	done
	[ "$own" -ne "$(in_mask)" ] && [ "$own" -gt 0 ] || return 0
	note "Of the $(in_mask) channels in the mask Linux has $own, as where Raspberry Pi's own kernel keeps channel 0 for an old interface. Which one a lab has cannot be told then, and test.sh skips what stops the engine."
	engine_known=''
}

the_larger_pi() {
	is_compatible "$tree" brcm,bcm2711 || return 0
	memory=$(awk '/^MemTotal/ { print int($2 / 1024) }' "$ROOT/proc/meminfo")
	[ "$memory" -le 1024 ] ||
		note "$memory MB of memory, of which the controller reaches the first 1024: what lies above is copied there and back (bounce buffers). All works, and lab 3 has more segments."
	for there in "$tree"/scb*/dma*@*; do
		! is_compatible "$there" brcm,bcm2711-dma ||
			note "This kernel has the Pi 4's 40-bit channels, too, as a device of its own with other bus addresses: a driver that maps for its channel's device does not mind."
	done
}

# ---- the labs' nodes -----------------------------------------------------------------

# Where it stands, from the root of the tree; a line for each.
places() {
	sed -n "s|^\(.*\)/$node/compatible\$|\1/$node|p" "$work/nodes"
}

sort_node() {
	case $(places) in
	'') missing="$missing $node" ;;
	/soc*/"$node")
		! is_disabled "$tree$(places)" || disabled="$disabled $node"
		;;
	*) outside="$outside $(places)" ;;
	esac
}

has_overlay() {
	[ -e "$ROOT$firmware/overlays/dma-labs.dtbo" ]
}

has_line() {
	grep -Eqs '^[[:space:]]*dtoverlay=dma-labs([[:space:],]|$)' "$ROOT$firmware/config.txt"
}

how_to_have_nodes() {
	if is_small; then
		echo 'Start it with the overlay pi/dma-labs.dts (OVERLAY= names another one)'
	else
		echo 'sudo make install, then sudo reboot'
	fi
}

missing_nodes() {
	text="The device tree has no node$missing in /soc"
	if is_small; then
		problem "$text." "$(how_to_have_nodes)"
	elif ! has_overlay; then
		problem "$text: the overlay $firmware/overlays/dma-labs.dtbo is not there." "$(how_to_have_nodes)"
	elif ! has_line; then
		problem "$text: $firmware/config.txt has no line dtoverlay=dma-labs." "$(how_to_have_nodes)"
	else
		problem "$text: the overlay is installed, and was not there at the last boot." 'sudo reboot' \
			'Was that done? What stands in config.txt below [pi4], say, is for that board only: move it below [all].'
	fi
}

add_deviceless() {
	[ -e "$platform/devices/soc:$node" ] || deviceless="$deviceless $node"
}

the_nodes() {
	missing='' outside='' disabled='' deviceless=''
	grep -rls '^dma-labs,' "$tree/" | sed "s|^$tree/*|/|" >"$work/nodes" || true
	each_lab sort_node
	if [ -n "$outside" ]; then
		problem "Outside of /soc:$outside. There, bus addresses would be physical ones.${missing:+ Missing:$missing.}" \
			"Take away what puts it there. $(how_to_have_nodes)"
	elif [ -n "$missing" ]; then
		missing_nodes
	elif [ -n "$disabled" ]; then
		problem "In the device tree, but disabled:$disabled." "Take the status away. $(how_to_have_nodes)"
	else
		each_lab add_deviceless
		if [ -z "$deviceless" ]; then
			ok "The labs' nodes are in the device tree, in /soc."
		else
			problem "Linux has no device for$deviceless, though the nodes are there." "sudo dmesg | grep 'soc:' may say why"
		fi
	fi
}

# ---- the labs' drivers -----------------------------------------------------------------

# vermagic FILE: the kernel that a module was built for.
vermagic() {
	tr '\0' '\n' <"$1" | LC_ALL=C sed -n 's/^vermagic=\([^ ]*\).*/\1/p' | head -n 1
}

hexadecimal() {
	od -An -v -t x1 "$1" | tr -d ' \n'
}

# The loaded module has the note by which a linker tells what it has made.
is_another() {
	id=$sys/module/$module/notes/.note.gnu.build-id
	[ -n "$ko" ] && [ -r "$id" ] || return 1
	! hexadecimal "$ko" | grep -qF "$(hexadecimal "$id")"
}

how_to_build() {
	if is_small; then
		echo "Build it for this kernel, where this Pi was started"
	else
		echo "make -C labs/$folder clean all"
	fi
}

why_not_bound() {
	said=$(dmesg 2>/dev/null | grep "soc:$node" | tail -n 1) || said=''
	echo "dmesg says: ${said:-nothing of soc:$node to this user (sudo dmesg | grep $node)}"
}

# in_place: is the node one that a driver can bind to?
in_place() {
	case "$missing $outside $disabled " in
	*" $node "* | *"/$node "*) return 1 ;;
	esac
}

not_bound() {
	if ! in_place || [ -z "$owner" ] || [ ! -e "$owner/driver" ]; then
		note "Lab $number: $module is loaded, and has no device: see above."
	elif [ "$free" -eq 0 ]; then
		note "Lab $number: $module is loaded, and has no device, since there is no channel: see above."
	else
		problem "Lab $number: $module is loaded, and does not drive soc:$node: its probe() has failed." \
			"$(why_not_bound)"
	fi
}

loaded_lab() {
	if is_another; then
		problem "Lab $number: the $module that is loaded is not the one that was built last." \
			"sudo rmmod $module && sudo insmod ${ko#"${top%/}"/}"
	elif ! is_bound; then
		not_bound
	elif [ ! -e "$ROOT/dev/$device" ]; then
		note "Lab $number: $module is loaded and drives soc:$node, and there is no /dev/$device: probe() does not come to misc_register() yet."
	else
		devices="$devices $device"
		ok "Lab $number: $module is loaded, drives soc:$node, and makes /dev/$device."
	fi
}

a_lab() {
	ko=$(find "$labs/$folder/" -name "$module.ko" 2>/dev/null | head -n 1) || ko=''
	magic=''
	[ -z "$ko" ] || magic=$(vermagic "$ko")
	if [ -n "$ko" ] && [ "$magic" != "$release" ]; then
		problem "Lab $number: ${ko#"${top%/}"/} was built for Linux $magic, and $release runs." "$(how_to_build)"
	elif is_loaded; then
		loaded_lab
	elif [ -n "$ko" ]; then
		ok "Lab $number: ${ko#"${top%/}"/} is built for this kernel; it is not loaded."
	elif [ -d "$labs/$folder" ]; then
		unbuilt="$unbuilt $number"
	fi
}

the_labs() {
	unbuilt='' devices=''
	each_lab a_lab
	[ -z "$unbuilt" ] || note "Not built yet: lab$unbuilt. (make -C labs/lab-...)"
}

# ---- who may use the devices -----------------------------------------------------------

# Who sits there, if it is root that runs this.
the_user() {
	if [ "$(id -u)" -eq 0 ]; then
		echo "${SUDO_USER:-root}"
	else
		id -un 2>/dev/null || id -u
	fi
}

in_group() {
	grep -qs "^dma-labs:.*[:,]$user\(,\|\$\)" "$ROOT/etc/group"
}

in_group_now() {
	[ "$(id -u)" -eq 0 ] || id -nG 2>/dev/null | grep -qw dma-labs
}

# Of the devices that are there, those that are not for this process.
closed_to_me() {
	for device in $devices; do
		[ -r "$ROOT/dev/$device" ] && [ -w "$ROOT/dev/$device" ] || echo "/dev/$device"
	done
}

the_rights() {
	user=$(the_user)
	closed=$(closed_to_me | head -n 1)
	if [ "$user" = root ]; then
		ok 'Root may use every device.'
	elif [ ! -e "$ROOT/etc/udev/rules.d/60-dma-labs.rules" ]; then
		no_rule
	elif ! in_group; then
		problem "$user may not use the labs' devices, and is not in the group dma-labs." \
			"sudo usermod -aG dma-labs $user, then log out and in again"
	elif ! in_group_now; then
		problem "$user is in the group dma-labs, but was not when logging in." 'Log out and in again'
	elif [ -n "$closed" ]; then
		problem "$closed is not for the group dma-labs: it is from before the rule for udev." \
			'sudo udevadm control --reload; then unload its driver, and load it'
	else
		ok "$user is in the group dma-labs, which may use the labs' devices."
	fi
}

no_rule() {
	if [ -z "$closed" ]; then
		note "The labs' devices will be root's: sudo make install makes a group for them."
	elif is_small; then
		problem "$user may not read and write $closed." 'Be root: there is neither udev nor a group here'
	else
		problem "$user may not read and write $closed: there is no rule for udev." 'sudo make install, then log out and in again'
	fi
}

# ---- the engine ----------------------------------------------------------------------------

register() {
	busybox devmem "$1" 2>/dev/null
}

# wrong_channels: those that are off, or stopped at an error (bit 8 of CS).
wrong_channels() {
	enabled=$(register $((engine + 0xff0)))
	bit=0
	while [ "$bit" -lt 15 ]; do
		if [ $((mask >> bit & 1)) -eq 1 ]; then
			[ $((enabled >> bit & 1)) -eq 1 ] || echo "$bit is switched off"
			[ $(($(register $((engine + bit * 0x100))) >> 8 & 1)) -eq 0 ] || echo "$bit has stopped at an error"
		fi
		bit=$((bit + 1))
	done
}

the_engine() {
	engine=${owner##*/}
	engine=$((0x${engine%%.*}))
	if [ "$(id -u)" -ne 0 ]; then
		unseen "Whether the engine's channels are on: only root can see that (sudo make doctor)."
	elif ! register "$engine" >/dev/null; then
		unseen "Whether the engine's channels are on: that takes busybox, and iomem=relaxed (see below)."
	elif wrong=$(wrong_channels | head -n 1) && [ -n "$wrong" ]; then
		problem "Channel $wrong, so a copy would never end: was a test killed in the middle?" \
			'Run a test.sh to its end, which puts it right, or sudo reboot'
	else
		engine_seen=yes
		ok "The engine's channels are on, and none has stopped at an error."
	fi
}

# ---- the tests -----------------------------------------------------------------------------

# option NAME: yes or no, if the kernel's configuration can be seen.
option() {
	if [ -r "$ROOT/boot/config-$release" ]; then
		cat "$ROOT/boot/config-$release"
	else
		zcat "$ROOT/proc/config.gz" 2>/dev/null
	fi | sed -n "s/^$1=y\$/yes/p; s/^# $1 is not set\$/no/p"
}

has_kprobes() {
	if [ -e "$sys/kernel/tracing/kprobe_events" ]; then
		echo yes
	else
		option CONFIG_KPROBE_EVENTS
	fi
}

where_the_command_line_is() {
	if is_small; then
		echo 'APPEND= adds to it'
	elif [ -e "$ROOT/etc/default/raspi-firmware" ]; then
		echo 'on Debian, /etc/default/raspi-extra-cmdline adds to it'
	else
		echo "one line in $firmware/cmdline.txt"
	fi
}

# Whether /dev/mem gives root registers that a driver has claimed: not every kernel is strict.
reaches_engine() {
	[ -n "$relaxed$engine_seen" ] || [ "$(option CONFIG_IO_STRICT_DEVMEM)" = no ] ||
		[ "$(option CONFIG_STRICT_DEVMEM)" = no ]
}

the_tests() {
	complete=$engine_known
	command -v busybox >/dev/null || {
		complete=''
		note 'Without busybox, test.sh skips what stops the engine: sudo apt install busybox'
	}
	reaches_engine || {
		complete=''
		note "Without iomem=relaxed on the kernel's command line ($(where_the_command_line_is)), test.sh skips what stops the engine."
	}
	case $(has_kprobes) in
	yes) ;;
	no)
		complete=''
		note "Without kprobe events (CONFIG_KPROBE_EVENTS), test.sh skips what looks at the driver's calls."
		;;
	*) unseen 'Whether the kernel has kprobe events: without them test.sh skips some. Root may see.' ;;
	esac
	[ -z "$complete" ] || [ "$problems" -gt 0 ] || ok "Nothing is in the way of a test: sudo ./test.sh in a lab's folder."
}

# ---- all of it -------------------------------------------------------------------------------

examine_pi() {
	free=0 mask=0 engine_known=yes engine_seen=''
	! is_pi_5 || return 0
	the_clock
	the_compiler
	if the_controller; then
		the_channels
		the_other_kernel
		the_larger_pi
	fi
	the_nodes
	the_labs
	the_rights
	[ ! -e "${owner:-none}/driver" ] || the_engine
	the_tests
}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The labs' nodes: the overlay, the patch for the kernel's own tree, the binding
# and the drivers agree.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=labs/lib/ktap.sh
. labs/lib/ktap.sh

nodes='dma-m2m dma-mmap dma-sg'

# silent COMMAND...: it succeeds without a word.
silent() {
	"$@" >"$work/out" 2>&1 || fail "$(cat "$work/out")" || return
	[ ! -s "$work/out" ] || fail "$(cat "$work/out")"
}

# source_of TREE: in one order, so that two can be compared.
source_of() {
	dtc -q -s -I dtb -O dts "$1"
}

# same_trees TREE OTHER: node for node.
same_trees() {
	source_of "$1" >"$work/one"
	source_of "$2" >"$work/other"
	diff -u --label "${1##*/}" --label "${2##*/}" "$work/one" "$work/other" >"$work/out" ||
		fail "$(cat "$work/out")"
}

overlay_compiles() {
	silent dtc -@ -I dts -O dtb -o "$work/overlay.dtbo" pi/dma-labs.dts
}

# Without the three nodes, the tree is again what it was.
overlay_adds_the_nodes() {
	pi=$(pi/kernel)/dtbs/bcm2837-rpi-3-b.dtb
	silent fdtoverlay -i "$pi" -o "$work/pi.dtb" "$work/overlay.dtbo" || return
	cp "$work/pi.dtb" "$work/without-nodes.dtb"
	for node in $nodes; do
		is=$(fdtget "$work/pi.dtb" "/soc/$node" compatible 2>&1) || true
		[ "$is" = "dma-labs,$node" ] || fail "the compatible of /soc/$node: $is" || return
		fdtput -r "$work/without-nodes.dtb" "/soc/$node"
	done
	same_trees "$pi" "$work/without-nodes.dtb"
}

# The kernel the patch is for cannot be fetched here. This stands in for its
# file: it ends in the same two lines, and has the one label that is wanted.
stand_in() {
	mkdir -p "$1"
	printf '/dts-v1/;\n\n/ {\n\tsoc: soc {\n\t};\n};\n' >"$1/bcm2710-rpi-3-b.dts"
}

# As the patch itself says how to apply it. A repository of its own, so that git
# asks no other one around it.
patch_applies() {
	dts=arch/arm/boot/dts
	for source in new old; do
		git init -q "$work/$source"
	done
	stand_in "$work/new/$dts/broadcom"
	stand_in "$work/old/$dts"
	patch=$PWD/pi/bcm2710-rpi-3-b.dts.patch
	silent git -C "$work/new" apply "$patch" || return
	silent git -C "$work/old" apply -p6 --directory="$dts" "$patch" || return
	cmp "$work/new/$dts/broadcom/bcm2710-rpi-3-b.dts" "$work/old/$dts/bcm2710-rpi-3-b.dts" >"$work/out" ||
		fail "$(cat "$work/out")"
}

patch_is_the_overlay() {
	stand_in "$work"
	silent dtc -I dts -O dtb -o "$work/plain.dtb" "$work/bcm2710-rpi-3-b.dts" || return
	silent fdtoverlay -i "$work/plain.dtb" -o "$work/with-overlay.dtb" "$work/overlay.dtbo" || return
	silent dtc -I dts -O dtb -o "$work/with-patch.dtb" "$work/old/arch/arm/boot/dts/bcm2710-rpi-3-b.dts" || return
	same_trees "$work/with-overlay.dtb" "$work/with-patch.dtb"
}

has_dt_schema() {
	command -v dt-validate >/dev/null || skip 'there is no dt-schema here; Debian 13 has none'
}

# validates TREE FOLDER: it has the nodes there, and they are as the binding says.
# dt-validate tells by its words only, and is silent about what no binding is for.
# -l: by this binding alone. simple-bus.yaml wants a unit address in /soc, which
# the Pi's own nodes without registers (firmware, gpu, power) do not have either.
validates() {
	silent dt-validate -l dma-labs -s pi "$1" || return
	dt-validate -M -l dma-labs -s pi "$1" >"$work/out" 2>&1
	for node in $nodes; do
		grep -q " $2/$node: matched on schema" "$work/out" ||
			fail "the binding is not for $2/$node" || return
	done
}

# What dtc is told not to say is about the frame that dt-schema puts around it.
binding_is_valid() {
	has_dt_schema || return
	silent dt-doc-validate -u pi pi/dma-labs.yaml || return
	dt-extract-example pi/dma-labs.yaml >"$work/example.dts"
	silent dtc -W no-avoid_unnecessary_addr_size -I dts -O dtb -o "$work/example.dtb" "$work/example.dts" || return
	validates "$work/example.dtb" /example-0
}

nodes_are_as_bound() {
	has_dt_schema || return
	validates "$work/pi.dtb" /soc
}

# lacks FILE WORDS: says so when FILE does not hold them.
lacks() {
	grep -qwF -e "$2" "$1" || echo "$1 lacks $2"
}

drivers_find_their_nodes() {
	find solutions -name '*.c' -exec sed -n 's/.*\.compatible = "\([^"]*\)".*/\1/p' {} + >"$work/compatibles"
	[ -s "$work/compatibles" ] || fail 'no driver says what it is for' || return
	while read -r compatible; do
		lacks pi/dma-labs.dts "\"$compatible\""
		lacks pi/bcm2710-rpi-3-b.dts.patch "\"$compatible\""
		lacks pi/dma-labs.yaml "- $compatible"
	done <"$work/compatibles" >"$work/out"
	[ ! -s "$work/out" ] || fail "$(cat "$work/out")"
}

plan 7
step "dtc has nothing to say about the overlay" overlay_compiles
needs 1 step "laid over the Pi's tree, it adds the three nodes to /soc, and nothing else" overlay_adds_the_nodes
step "the patch applies to the kernel's source, new and old" patch_applies
needs 3 step "it makes the same tree as the overlay" patch_is_the_overlay
step "dt-schema finds the binding valid, and its example" binding_is_valid
needs 2 step "the nodes are as the binding says" nodes_are_as_bound
step "what the drivers bind to is in all three" drivers_find_their_nodes
finish

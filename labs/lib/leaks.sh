# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # work and module are the labs'
# After ktap.sh: what a module has left behind, by the books that a debug kernel keeps.
# Any other keeps none: there, nothing is found.
#
#   leaks_begin      before it is loaded
#   leaks_note       before it goes
#   leaks_nothing    after it has gone; or it fails

dma_book=/sys/kernel/debug/dma-api/dump
memory_book=/sys/kernel/debug/kmemleak

# The mappings for DMA, one a line.
mappings_listed() {
	[ ! -e "$dma_book" ] || sort "$dma_book"
}

leaks_begin() {
	mappings_listed >"$work/mappings_before"
	# The first error of a boot is not the only one that is told.
	[ ! -e "$dma_book" ] || echo 1 >"${dma_book%/*}/all_errors"
}

# Addresses are all that is left of its functions later. To read them all takes an emulated Pi
# most of a second.
leaks_note() {
	[ -e "$memory_book" ] || return 0
	sed -n "s/^\([0-9a-f]*\) [tT] \([^\t]*\)\t\[$module\]$/\1 \2/p" /proc/kallsyms | sort >"$work/functions"
	read -r noted _ </proc/uptime
	noted=${noted%.*}
}

leaks_nothing() {
	no_mapping_left && no_memory_left
}

no_mapping_left() {
	mappings_listed | sort - "$work/mappings_before" "$work/mappings_before" | uniq -u >"$work/mapped_still"
	[ ! -s "$work/mapped_still" ] || fail \
		"The module is gone, and $(wc -l <"$work/mapped_still") of its mappings for DMA are not:
$(head -n 3 "$work/mapped_still")"
}

# The scan reports what nothing points to, what is five seconds old, and what it has
# found the same twice.
no_memory_left() {
	[ -e "$memory_book" ] || return 0
	echo scan >"$memory_book"
	until read -r now _ </proc/uptime && [ $((${now%.*} - noted)) -gt 5 ]; do
		sleep 1
	done
	echo scan >"$memory_book"
	name_leaks <"$memory_book" >"$work/leaked"
	echo clear >"$memory_book"
	[ ! -s "$work/leaked" ] || fail "The module is gone, and of its memory this was never freed:
$(sort "$work/leaked" | uniq -c | head -n 5)"
}

# "240 bytes, allocated in probe()" of each: the module's function nearest to the
# allocation, in the same 64 KiB, or else whoever did it: when the module was loaded before,
# it may have been elsewhere.
name_leaks() {
	awk -v functions="$work/functions" '
	function tell() {
		if (size) print size " bytes, allocated in " (own ? own : any) "()"
		size = own = any = ""
	}
	BEGIN {
		while ((getline line <functions) > 0) {
			split(line, word, " ")
			start[++n] = word[1]
			name[n] = word[2]
		}
	}
	/^unreferenced object/ { tell(); size = $5; sub(/\).*/, "", size) }
	/^    \[</ && $NF !~ /^0x/ && !any { any = $2; sub(/\+.*/, "", any) }
	/^    \[</ && $NF ~ /^0x/ && !own {
		for (i = n; i > 0 && start[i] > substr($NF, 3); i--)
			;
		if (i && substr(start[i], 1, 12) == substr($NF, 3, 12)) own = name[i]
	}
	END { tell() }'
}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Three steps that pass; in the second, the kernel warns.
set -eu
cd "$(dirname "$0")"

# shellcheck source=labs/lib/ktap.sh
. ../lib/ktap.sh
# shellcheck source=labs/lib/kernel-log.sh
. ../lib/kernel-log.sh

warns() {
	insmod ./warn.ko
}

plan 3
step "before" true
step "the kernel warns" warns
step "after" true
finish

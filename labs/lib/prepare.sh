#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What every test would do first: done once, on an emulated Pi that is saved then, for all
# tests to start from. See pi/init.
set -eu
work=/tmp
# shellcheck source=labs/lib/witness.sh
. /labs/lib/witness.sh
witness_prepare
# Each look at the log goes over all of it: that of the boot is on the console.
dmesg -c >/dev/null

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A shell on the emulated Pi, in a terminal whose settings are noted around it.
#
# usage: terminal.sh FOLDER     where before, after and status go
set -eu

stty rows 31 cols 97
stty -g >"$1/before"
"$(dirname "$0")/../../pi/run" ${KERNEL:+-k "$KERNEL"} && got=0 || got=$?
stty -g >"$1/after"
echo "$got" >"$1/status"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A shell on the emulated Pi, in a terminal whose settings are noted around it.
#
# usage: terminal.sh FOLDER [ARGUMENT...]
#   FOLDER    where before, after and status go
#   ARGUMENT  for pi/run
set -eu
folder=$1
shift

# As make does, it outlives its terminal while its child lives.
trap '' HUP

stty rows 31 cols 97
stty -g >"$folder/before"
"$(dirname "$0")/../../pi/run" ${KERNEL:+-k "$KERNEL"} "$@" && got=0 || got=$?
stty -g >"$folder/after"
echo "$got" >"$folder/status"

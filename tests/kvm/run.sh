#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs a command in an emulated AMD host whose KVM works (tests/kvm/machine.py), as in:
#
#   tests/kvm/run.sh harness reproduce --plan quick --accelerator kvm
#
# The present folder, PATH and files are those of this machine. What the command writes to results/
# stays; all else is lost with the machine. Takes some minutes, and five more to build the host's
# kernel the first time. Build the kernels that the command boots before: nothing is built there.

set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
[ $# -gt 0 ] || {
	sed -n 's/^# \{0,1\}//; 4,10p' "$0" >&2
	exit 2
}
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PATH="$root/.venv/bin:$PATH"
exec python -m tests.kvm.machine "$@"

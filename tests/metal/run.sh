#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs a command while an emulated server answers as `root@server` (tests/metal/machine.py), as in:
#
#   tests/metal/run.sh harness measure --on ssh://root@server --allow-virtual --plan quick
#
# The server has Debian, its kernel and sshd on a disk of its own, which is made the first time from
# the archive that this machine's apt uses. It is lost afterwards. Needs mmdebstrap, openssh-client,
# kexec-tools and e2fsprogs.

set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
[ $# -gt 0 ] || {
	sed -n 's/^# \{0,1\}//; 4,11p' "$0" >&2
	exit 2
}
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PATH="$root/.venv/bin:$PATH"
exec python -m tests.metal.machine "$@"

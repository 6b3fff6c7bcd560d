#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Memmap tests, as a host test of mm's CI (github.com/linux-mm/mm-ci). Compares the struct pages that
# every commit of a branch leaves with those of the base, checks the object, and holds the counted
# work to RULES. Compiles mm/mm_init.o only; needs no KVM and no root.
#
# Prints one line, after the log if a test fails. Exit code: 0 pass, 1 fail, 4 skip.
#
#   LINUX_DIR  kernel repository with the patches (default: ../.. of this script, as in .github/)
#   BASE       commit that they are on (default: where the branch forked)
#   TIP        last of them (default: HEAD)
#   RULES      rules of `harness judge` (default: at most 2 % more instructions)
#   TIMEOUT    seconds, after which the test has failed (default: 600)
#   LOG        file for the log (default: a temporary one)
#   HARNESS    command (default: that of the checkout that this script is in)
set -eu

script=$(readlink -f -- "$0")
here=${script%/*}
linux_dir=${LINUX_DIR:-$here/../..}
harness=${HARNESS:-$here/../../../.venv/bin/harness}
rules=${RULES:-order0.instructions_ratio<=1.02 order9.instructions_ratio<=1.02}
timeout_s=${TIMEOUT:-600}

tmp_dir=$(mktemp -d)
trap 'rm -rf -- "$tmp_dir"' EXIT
log=${LOG:-$tmp_dir/${script##*/}.log}

fail()
{
	cat -- "$log"
	echo "✗ memmap tests: $1"
	exit 1
}

skip()
{
	echo "- memmap tests skipped: $1"
	exit 4
}

# The last thing that the harness said, without what it is about.
said()
{
	sed -n 's/^harness: //p' "$log" | tail -n 1
}

# Returns the exit code of a command of the harness, which may be stopped.
run()
{
	code=0
	echo "\$ harness $*" >>"$log"
	timeout -k 10 "$timeout_s" "$harness" "$@" >>"$log" 2>&1 || code=$?
	case $code in
	124 | 137) fail "stopped after $timeout_s s" ;;
	esac
}

: >"$log" || fail "cannot write the log $log"
for tool in git make gcc flex bison bc objdump timeout; do
	command -v "$tool" >/dev/null || skip "$tool is not installed"
done
[ "$(uname -m)" = x86_64 ] || skip "only x86-64 objects are compared"
command -v "$harness" >/dev/null || skip "memmap-harness is not set up: no $harness"
git -C "$linux_dir" rev-parse --git-dir >/dev/null 2>&1 || skip "$linux_dir is not a git repository"
linux_dir=$(cd -- "$linux_dir" && git rev-parse --show-toplevel)
[ -f "$linux_dir/mm/mm_init.c" ] || skip "$linux_dir has no mm/mm_init.c"

tip=${TIP:-HEAD}
if [ -n "${BASE:-}" ]; then
	git -C "$linux_dir" merge-base "$BASE" "$tip" >/dev/null 2>&1 ||
		skip "the clone lacks the history between $BASE and $tip"
	[ "$(git -C "$linux_dir" rev-list --count "$BASE..$tip")" != 0 ] ||
		skip "no commits between $BASE and $tip"
	what=$BASE..$tip
else
	what=$tip
fi

run replay check "$what" --repo "$linux_dir"
case $code in
0) ;;
1) fail "a commit leaves other struct pages than base, or fails an object check" ;;
*) fail "$(said)" ;;
esac

run replay count "$what" --repo "$linux_dir"
case $code in
0) ;;
69) skip "struct pages are equal to base's, but nothing could be counted: $(said)" ;;
*) fail "$(said)" ;;
esac
record=$(sed -n 's/^record: //p' "$log" | tail -n 1)

set --
for rule in $rules; do
	set -- "$@" --gate "$rule"
done
run judge "${record%/record.json}" "$@"
case $code in
0) ;;
1) fail "$(sed -n 's/^rule .*FAILED: /a rule fails: /p' "$log" | head -n 1)" ;;
*) fail "$(said)" ;;
esac

echo "✓ memmap tests passed: struct pages equal to base's, $rules"

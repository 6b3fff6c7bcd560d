# SPDX-License-Identifier: GPL-2.0-only
#
# The report: one JSON object per line on descriptor 3. The last is the end marker, which counts the
# others. Markers in the kernel log enclose every step, so that each line that the kernel prints
# belongs to one step or to none; brackets show that a marker is complete.
#
# The script that includes this part defines kernel_log, which prints the kernel log, and $work, a
# folder for temporary files.

bus=/sys/bus/nd
tracing=/sys/kernel/tracing
# The level of markers in the kernel log, as printk writes it; its default where empty.
level=
lines=0

# Write a line of the report.
say() {
	printf '%s\n' "$1" >&3
	lines=$((lines + 1))
}

# Escape text for JSON strings, line by line.
escaped() {
	tr -d '\000-\010\013-\037\177' | sed -e 's/[\\"]/\\&/g' -e 's/\t/\\t/g'
}

quoted() {
	printf '"%s"' "$(printf '%s' "$1" | escaped)"
}

mark() {
	echo "${level}memmap-harness: <$*>" >/dev/kmsg
}

finish() {
	mark finished
	kernel_log >"$work/kernel.log"
	escaped <"$work/kernel.log" | sed 's/.*/{"is":"log","text":"&"}/' >&3
	lines=$((lines + $(wc -l <"$work/kernel.log")))
	printf '{"is":"end","lines":%d}\n' "$lines" >&3
	exit "$1"
}

fail() {
	say "{\"is\":\"failed\",\"what\":$(quoted "$*")}"
	finish 1
}

# Report the kernel.
describe_kernel() {
	notes=$(od -An -v -tx1 /sys/kernel/notes | tr -d ' \n')
	say "{\"is\":\"kernel\",\"release\":$(quoted "$(uname -r)"),\"notes\":\"$notes\",\
\"command_line\":$(quoted "$(cat /proc/cmdline)")}"
}

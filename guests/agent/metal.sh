# SPDX-License-Identifier: GPL-2.0-only
#
# Process 1 of a kernel that is measured on a physical machine: runs the agent, writes its report
# into a reserved range of memory, and starts the machine's own kernel again by kexec.
#
# The machine's kernel reads the range. It begins with a block that says what is in it:
#
#   memmap-harness TOKEN STATE BYTES SHA256
#
# The harness puts these before it: $token, $log_start and $log_bytes, $seconds, $regions (start
# addresses of the persistent ranges, in order) and $arguments of the agent. /back holds the
# machine's kernel, its initramfs and its command line.

PATH=/bin
export PATH
report=/run/report

mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev

# An open watchdog that no program writes to resets the machine after softdog.soft_margin seconds.
exec 9>/dev/watchdog

# fail TEXT: a report with the reason alone.
fail() {
	printf '{"is":"failed","what":"%s"}\n' "$*" >$report
	log
	printf '{"is":"end","lines":%d}\n' "$(wc -l <$report)" >>$report
	home ended
}

# Append the kernel log to the report.
log() {
	dmesg | tr -d '\000-\010\013-\037\177' |
		sed -e 's/[\\"]/\\&/g' -e 's/\t/\\t/g' -e 's/.*/{"is":"log","text":"&"}/' >>$report
}

# home STATE: save the report and start the machine's kernel, through the firmware if need be.
home() {
	# A late agent still writes to the report.
	saved=/run/saved
	head -c $((log_bytes - 4096)) $report >$saved
	sum=$(sha256sum <$saved)
	printf 'memmap-harness %s %s %s %s\n' "$token" "$1" "$(wc -c <$saved)" "${sum%% *}" |
		dd of=/dev/mem bs=4096 conv=sync,notrunc seek=$((log_start / 4096))
	dd if=$saved of=/dev/mem bs=4096 conv=notrunc seek=$((log_start / 4096 + 1))
	# RAM survives kexec: the next measured kernel would bind these namespaces before user space.
	for start in $regions; do
		dd if=/dev/zero of=/dev/mem bs=4096 conv=notrunc seek=$((start / 4096)) count=2
	done
	kexec --exec --no-ifdown
	reboot -f
}

# The agent addresses namespaces by number, and must find no others than ours under them. The kernel
# binds them in the background, which must not happen during a measurement.
check_regions() {
	cat /sys/bus/nd/devices/ndbus*/wait_probe >/dev/null
	number=0
	for start in $regions; do
		found=$(cat /sys/bus/nd/devices/region$number/resource)
		[ "$((found))" = "$start" ] || fail "region$number starts at ${found:-nothing}, not $start"
		number=$((number + 1))
	done
	[ ! -e /sys/bus/nd/devices/region$number ] || fail "there is a region$number"
}

kexec --load /back/kernel --initrd=/back/initramfs --command-line="$(cat /back/command-line)" ||
	reboot -f
check_regions

mkfifo /run/ended
(
	# shellcheck disable=SC2086  # a list
	/agent -o $report $arguments
	echo ended >/run/ended
) &
(
	sleep "$seconds"
	echo late >/run/ended
) &
read -r state </run/ended
[ "$state" != late ] || log
home "$state"

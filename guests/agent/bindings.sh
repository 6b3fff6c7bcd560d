# SPDX-License-Identifier: GPL-2.0-only
#
# Bindings of nd_pmem and dax_pmem. Binding 0 is made by `ndctl create-namespace`: the kernel's
# first write of this memmap. With $counting, the events of the tracepoint page_ref_set are counted;
# with $probing, the lines that probes leave in the trace are reported.

func=memmap_init_zone_device
page_ref=$tracing/events/page_ref/page_ref_set
probing=

# The line of the pr_debug() site in the control file of dynamic debug.
debug_site() {
	grep -h "$func =" /sys/kernel/debug/dynamic_debug/control /proc/dynamic_debug/control \
		2>/dev/null | head -n 1
}

# Report the pr_debug() site and the tracepoint.
describe_function() {
	say "{\"is\":\"site\",\"text\":$(quoted "$(debug_site)")}"

	# The series does not use its fast path while this tracepoint is enabled.
	state=$(cat "$page_ref/enable" 2>/dev/null)
	[ -n "$state" ] || [ -d "$tracing/events" ] || ! grep -q 'tracefs$' /proc/filesystems ||
		state=unknown
	say "{\"is\":\"tracepoint\",\"state\":\"${state:-absent}\"}"
}

# bound_device NAMESPACE DRIVER: print the device that the driver has bound, pfn0.0 or dax1.0, say.
bound_device() {
	for path in "$bus/drivers/$2"/*; do
		[ -e "$path/namespace" ] || continue
		read -r owner <"$path/namespace"
		[ "$owner" != "$1" ] || echo "${path##*/}"
	done
}

# begin DRIVER INDEX REGION
begin() {
	[ -z "$probing" ] || echo >"$tracing/trace"
	if [ -n "$counting" ]; then
		# Each page's count is set to 1 once.
		first=$(($(cat "$bus/devices/$3/resource") / 4096))
		end=$((first + $(cat "$bus/devices/$3/size") / 4096))
		echo "val == 1 && pfn >= $first && pfn < $end" >"$page_ref/filter"
		echo >"$tracing/trace"
	fi
	mark "begin $1 $2"
}

# end DRIVER INDEX
end() {
	mark "end $1 $2"
	if [ -n "$probing" ]; then
		grep -v '^#' "$tracing/trace" | escaped >"$work/probes"
		sed "s/.*/{\"is\":\"probe\",\"driver\":\"$1\",\"index\":$2,\"text\":\"&\"}/" "$work/probes" >&3
		lines=$((lines + $(wc -l <"$work/probes")))
	fi
	[ -n "$counting" ] || return 0
	# The buffer has the last events only; the overrun counts the others.
	events=$(cat "$tracing"/per_cpu/cpu*/stats |
		awk '/^(entries|overrun):/ { sum += $2 } END { print sum + 0 }')
	say "{\"is\":\"events\",\"driver\":\"$1\",\"index\":$2,\"count\":$events}"
}

# create_namespace DRIVER REGION NDCTL_OPTION...: make a namespace and set $namespace.
create_namespace() {
	creator=$1
	creators_region=$2
	shift 2
	begin "$creator" 0 "$creators_region"
	ndctl create-namespace --force "$@" >"$work/ndctl.out" 2>&1 </dev/null ||
		fail "ndctl create-namespace $*: $(tail -n 3 "$work/ndctl.out" | tr '\n' ' ')"
	end "$creator" 0
	namespace=$(sed -n 's/.*"dev":"\(namespace[^"]*\)".*/\1/p' "$work/ndctl.out" | head -n 1)
}

# use_namespace NAMESPACE DRIVER REGION: report a namespace, and rebind it from now on. The script
# that includes this part defines list_namespace, which prints one as `ndctl list` does.
use_namespace() {
	device=$(bound_device "$1" "$2")
	[ -n "$device" ] || fail "$2 has not bound $1"
	listed=$(list_namespace "$1" | tr -d '\n')
	say "{\"is\":\"namespace\",\"driver\":\"$2\",\"device\":\"$device\",\
\"listed\":${listed:-null},\"sysfs_mode\":$(quoted "$(cat "$bus/devices/$device/mode")"),\
\"sysfs_align\":$(quoted "$(cat "$bus/devices/$device/align")"),\
\"sysfs_size\":$(quoted "$(cat "$bus/devices/$1/size")")}"
	made="$made $2:$device:$3"
}

# rebind DRIVER:DEVICE:REGION INDEX
rebind() {
	IFS=: read -r driver device region <<-end
		$1
	end
	echo "$device" >"$bus/drivers/$driver/unbind" || fail "cannot unbind $device"
	begin "$driver" "$2" "$region"
	echo "$device" >"$bus/drivers/$driver/bind" || fail "cannot bind $device"
	end "$driver" "$2"
	[ -e "$bus/drivers/$driver/$device" ] || fail "$driver has not bound $device again"
}

# rebind_all N: rebind each namespace in turn, N times.
rebind_all() {
	index=1
	while [ "$index" -le "$1" ]; do
		for binding in $made; do
			rebind "$binding" "$index"
		done
		index=$((index + 1))
	done
}

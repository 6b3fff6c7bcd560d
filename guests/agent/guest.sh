# SPDX-License-Identifier: GPL-2.0-only
#
# Runs in the guest, under busybox: makes the namespaces, rebinds their drivers, and reports over a
# virtio-serial port of its own, or into a file.
#
#   agent [-c] [-t] [-s SETUP] [-o FILE] REBINDS PLACE:DRIVER:MODE:MAP:ALIGN:SIZE...
#
# as in: agent 30 namespace0.0:nd_pmem:fsdax:dev:2097152:107374182400
#
# PLACE is an existing namespace, which is reconfigured, or a region in which one is made. -c also
# times each call of memmap_init_zone_device() by probes. -t enables the tracepoint page_ref_set and
# counts its events. -s ramdax first binds that driver to the RAM that the command line declares
# persistent; -s cxl makes a region of each CXL device. -o names a file for the report.
#
# With 0 REBINDS and no place, it reports the kernel and its log alone.
#
# The namespaces stay bound: the host reads the struct pages from the backing files.

set -u

cxl=/sys/bus/cxl/devices
work=/run

kernel_log() {
	dmesg
}

open_channel() {
	if [ -n "$channel" ]; then
		exec 3>"$channel"
		return
	fi
	for port in /sys/class/virtio-ports/*; do
		[ "$(cat "$port/name" 2>/dev/null)" = memmap-harness ] || continue
		exec 3>"/dev/${port##*/}"
		return
	done
	mark 'no virtio-serial port named memmap-harness'
	exit 1
}

# The guest has only what virtme-ng mounts.
mount_debugging() {
	mount -t debugfs none /sys/kernel/debug 2>/dev/null
	mount -t tracefs none "$tracing" 2>/dev/null
	[ -z "$counting" ] || echo 1 >"$page_ref/enable" || fail 'the kernel has no tracepoint page_ref_set'
}

# Time each call from its first instruction to its return, by the clock that jiffies follow. Before
# it returns, the function prints its line, for which a console takes milliseconds: from now on the
# console shows markers only, and the kernel log has the lines.
set_probes() {
	printf '%s\n' "p:memmap/begin $func" "r:memmap/end $func" >"$tracing/kprobe_events" ||
		fail "the kernel cannot probe $func"
	put mono "$tracing/trace_clock"
	put 1 "$tracing/events/memmap/enable"
	put N /sys/module/printk/parameters/ignore_loglevel
	level='<1>'
	dmesg -n 2
}

# Bind ramdax in place of e820_pmem to the RAM that the command line declares persistent.
setup_ramdax() {
	platform=/sys/bus/platform
	await $platform/drivers/ramdax
	await $platform/drivers/e820_pmem/e820_pmem
	echo ramdax >$platform/devices/e820_pmem/driver_override
	echo e820_pmem >$platform/drivers/e820_pmem/unbind
	echo e820_pmem >$platform/drivers/ramdax/bind || fail 'ramdax has not bound the carved RAM'
}

# Make regionN of the Nth address window and the device with serial number N+1, as `cxl
# create-region` does, which some ndctl packages lack (Documentation/ABI/testing/sysfs-bus-cxl).
setup_cxl() {
	number=0
	for argument; do
		make_region "$cxl/decoder0.$number" "$(printf '0x%x' $((number + 1)))" "${argument##*:}"
		await "$bus/devices/region$number"
		number=$((number + 1))
	done
}

# make_region WINDOW SERIAL SIZE
make_region() {
	await "$1"
	tries=0
	until find_decoder "$2"; do
		wait_more "a CXL device with serial number $2"
	done
	region=$(cat "$1/create_pmem_region")
	put "$region" "$1/create_pmem_region"
	put pmem "$cxl/$decoder/mode"
	put "$3" "$cxl/$decoder/dpa_size"
	put 256 "$cxl/$region/interleave_granularity"
	put 1 "$cxl/$region/interleave_ways"
	put "$(printf '%08x-0000-4000-8000-000000000000' "$2")" "$cxl/$region/uuid"
	put "$3" "$cxl/$region/size"
	put "$decoder" "$cxl/$region/target0"
	put 1 "$cxl/$region/commit"
	put "$region" /sys/bus/cxl/drivers/cxl_region/bind
}

# Set $decoder to that of the CXL device with serial number $1.
find_decoder() {
	for endpoint in "$cxl"/endpoint*; do
		decoder=decoder${endpoint##*endpoint}.0
		[ "$(cat "$endpoint/uport/serial" 2>/dev/null)" != "$1" ] || return 0
	done
	return 1
}

# put VALUE FILE: write to sysfs, or fail.
put() {
	echo "$1" >"$2" || fail "cannot write $1 to $2"
}

# Wait until a path exists: buses probe their devices asynchronously.
await() {
	tries=0
	until [ -e "$1" ]; do
		wait_more "$1"
	done
}

# Wait 0.1 s for WHAT; fail after 100 times.
wait_more() {
	tries=$((tries + 1))
	[ "$tries" -le 100 ] || fail "$1 did not appear"
	sleep 0.1
}

# list_namespace NAMESPACE.
list_namespace() {
	ndctl list --namespace="$1" </dev/null
}

make_namespace() {
	await "$bus/devices/$place"
	case $place in
	region*)
		region=$place
		set -- --region="$region" --size="$size"
		;;
	*)
		region=region${place#namespace}
		region=${region%.*}
		announced=$(cat "$bus/devices/$region/size")
		[ "$announced" = "$size" ] || fail "$region has $announced bytes, not $size"
		set -- --reconfig="$place"
		;;
	esac
	create_namespace "$driver" "$region" "$@" --mode="$mode" --map="$map" --align="$align"
	use_namespace "$namespace" "$driver" "$region"
}

channel=
counting=
setup=
while getopts co:ts: option; do
	case $option in
	c) probing=yes ;;
	o) channel=$OPTARG ;;
	t) counting=yes ;;
	s) setup=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))

open_channel
mark started
mount_debugging
describe_kernel
[ "$1" = 0 ] || describe_function
[ -z "$probing" ] || set_probes
rebinds=$1
shift
case $setup in
'') ;;
ramdax) setup_ramdax ;;
cxl) setup_cxl "$@" ;;
*) fail "no set-up $setup" ;;
esac
made=
for argument; do
	IFS=: read -r place driver mode map align size <<-end
		$argument
	end
	make_namespace
done
rebind_all "$rebinds"
finish 0

# SPDX-License-Identifier: GPL-2.0-only
#
# Runs on a machine that is not ours, as root: rebinds namespaces that exist, and writes one log.

set -u

usage() {
	cat <<-end
		Usage: sh $0 [--rebinds N] [--log FILE] [--dry-run] [--destroy NAME]... [NAME...]

		Rebinds the driver of each namespace NAME (namespace0.0, say) N times ($rebinds) on the kernel that is
		running, and writes the kernel's times to FILE. Without NAME, lists the namespaces.

		A namespace is refused if it has a file system, a partition table, other data, a mount, or a user.
		--destroy NAME uses it anyway: its contents are lost, and it is recreated if ndctl is installed.
		--dry-run says what would be done, and changes nothing.
	end
}

# Refuse before anything was changed.
refuse() {
	echo "rebind: $*" >&2
	exit 2
}

# Print the kernel log from this run's first marker on. The rest is not ours to send.
kernel_log() {
	dmesg | awk '/memmap-harness: <started>/ { text = "" } { text = text $0 "\n" } END { printf "%s", text }'
}

# --- the machine ---

# timers: print the kernel's time in ns, its ticks, and whether high resolution timers are on.
timers() {
	awk '/^now at/ { now = $3 } /^ *jiffies:/ { ticks = $2 } /hres_active/ { hres = $3 }
		END { print now, ticks, hres }' /proc/timer_list
}

# Set $hz and $hres from the running timers, which no configuration file can misstate.
find_hz() {
	hz=0
	hres=
	[ -r /proc/timer_list ] || return 0
	read -r time_1 ticks_1 hres <<-end
		$(timers)
	end
	sleep 1
	read -r time_2 ticks_2 hres <<-end
		$(timers)
	end
	[ -n "${ticks_1:-}" ] && [ -n "${ticks_2:-}" ] || return 0
	found=$(((ticks_2 - ticks_1) * 1000000000 / (time_2 - time_1)))
	for rate in 100 250 300 1000; do
		[ "$found" -lt $((rate * 95 / 100)) ] || [ "$found" -gt $((rate * 105 / 100)) ] || hz=$rate
	done
}

# cpu FIELD: print the first processor's field of /proc/cpuinfo.
cpu() {
	sed -n "s/^$1[[:space:]]*: //p" /proc/cpuinfo | head -n 1
}

# Print what the machine runs on: none, the name of a hypervisor, or unknown.
hypervisor() {
	case $(cpu 'model name') in *'QEMU TCG'*)
		echo tcg
		return
		;;
	esac
	name=$(systemd-detect-virt --vm 2>/dev/null)
	[ -z "$name" ] || {
		echo "$name"
		return
	}
	if grep -q '^flags.* hypervisor' /proc/cpuinfo; then
		echo unknown
	else
		cat /sys/hypervisor/type 2>/dev/null || echo none
	fi
}

describe_machine() {
	find_hz
	say "{\"is\":\"machine\",\"cpu\":$(quoted "$(cpu 'model name')"),\
\"cpu_id\":$(quoted "$(cpu vendor_id) $(cpu 'cpu family') $(cpu model)"),\
\"cpus\":$(grep -c '^processor' /proc/cpuinfo),\
\"memory_kib\":$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo),\
\"hypervisor\":$(quoted "$(hypervisor)"),\"hz\":$hz,\"hres\":$(quoted "${hres:-}"),\
\"tainted\":$(cat /proc/sys/kernel/tainted 2>/dev/null || echo 0),\"rebinds\":$rebinds}"
}

# --- namespaces ---

# find_namespace NAME: set $driver and $device, or refuse.
find_namespace() {
	case $1 in
	namespace[0-9]*.[0-9]*) ;;
	*) refuse "$1: expected the name of a namespace, like namespace0.0" ;;
	esac
	[ -d "$bus/devices/$1" ] || refuse "$1: there is no such namespace; run $0 without arguments to list them"
	for driver in nd_pmem dax_pmem; do
		device=$(bound_device "$1" "$driver")
		[ -z "$device" ] || break
	done
	case $device in
	pfn* | dax*) return ;;
	esac
	refuse "$1: is in mode $(cat "$bus/devices/$1/mode"), and has no struct pages of its own; expected fsdax or devdax. If it holds nothing, make it: ndctl create-namespace --force --reconfig=$1 --mode=fsdax"
}

# find_use NAME: set $use to why the namespace of $device must not be touched; empty if nothing.
find_use() {
	use=
	case $device in
	pfn*)
		for path in "$bus/devices/$device/block"/*; do
			[ -d "$path" ] && find_block_use "${path##*/}"
		done
		;;
	*) find_dax_use "$1" ;;
	esac
}

# find_block_use DISK
find_block_use() {
	disk=$1
	for path in "/sys/class/block/$disk/$disk"p*; do
		[ ! -e "$path/partition" ] || use="has the partition ${path##*/}"
	done
	for path in "/sys/class/block/$disk/holders"/* "/sys/class/block/$disk/$disk"p*/holders/*; do
		[ ! -e "$path" ] || use="is held by ${path##*/}"
	done
	# By number and by name: btrfs has numbers of its own. In all mount namespaces.
	for path in "/sys/class/block/$disk" "/sys/class/block/$disk/$disk"p*; do
		[ -r "$path/dev" ] || continue
		if cat /proc/[0-9]*/mountinfo 2>/dev/null |
			grep -q -e " /dev/${path##*/} " -e " $(cat "$path/dev") "; then
			use='is mounted'
		fi
	done
	! grep -q "^/dev/$disk" /proc/swaps 2>/dev/null || use='is used for swap'
	[ -z "$use" ] || return 0
	[ -r "/dev/$disk" ] || {
		use="cannot be looked into: /dev/$disk is missing"
		return 0
	}
	# File systems, partition tables, LVM and RAID have their marks in the first MiB.
	if [ -n "$(dd if="/dev/$disk" bs=1M count=1 2>/dev/null | tr -d '\000' | head -c 1 | od -An -tx1)" ]; then
		kind=$(blkid -p -o value -s TYPE -s PTTYPE "/dev/$disk" 2>/dev/null | head -n 1)
		use="holds ${kind:-data} (its first MiB is not empty)"
	fi
}

# find_dax_use NAME: find users alone. What devdax holds cannot be read, and a rebind leaves it as it is.
find_dax_use() {
	for path in "$bus/devices/$device"/dax[0-9]*; do
		[ -d "$path" ] || continue
		node=${path##*/}
		owner=$(readlink "/sys/bus/dax/devices/$node/driver")
		[ "${owner##*/}" != kmem ] || refuse "$1 is used as system RAM ($node is bound to kmem)"
		for file in /proc/[0-9]*/fd/*; do
			[ "$(readlink "$file" 2>/dev/null)" != "/dev/$node" ] || use="is open in process ${file#/proc/}"
		done
	done
	use=${use%%/fd*}
}

# list_namespace NAMESPACE: print it as `ndctl list` does, without ndctl.
list_namespace() {
	where=$(cat "$bus/devices/$device/mode")
	[ "$where" = pmem ] && where=dev
	[ "$where" = ram ] && where=mem
	mode=fsdax
	[ "$device" = "${device#dax}" ] || mode=devdax
	printf '[{"dev":"%s","mode":"%s","map":"%s","size":%s,"align":%s}]' "$1" "$mode" "$where" \
		"$(cat "$bus/devices/$device/size")" "$(cat "$bus/devices/$device/align")"
}

list_all() {
	echo 'Namespaces of this machine:'
	for path in "$bus"/devices/namespace*; do
		[ -r "$path/mode" ] || continue
		[ "$(cat "$path/size")" = 0 ] ||
			echo "  ${path##*/}  $(cat "$path/mode")  $(cat "$path/size") bytes"
	done
	echo
	echo 'This procedure wants, each made from free space of a region:'
	printf '%s\n' "$wanted" | while read -r mode map align size; do
		echo "  ndctl create-namespace --mode=$mode --map=$map --align=$align --size=$size"
	done
	echo
	echo 'Without persistent memory, the kernel makes regions of RAM: add memmap=SIZE!START to its command line.'
}

# --- what is changed, and restored ---

# Markers and times must reach the kernel log. Refuses if they cannot.
prepare() {
	site=$(debug_site)
	[ -n "$site" ] || refuse "this kernel does not print times: it has no pr_debug in $func() (CONFIG_DYNAMIC_DEBUG=y)"
	[ "$(cat "$page_ref/enable" 2>/dev/null)" != 1 ] ||
		refuse 'the tracepoint page_ref_set is enabled: write 0 to events/page_ref/page_ref_set/enable'
	control=/proc/dynamic_debug/control
	[ -w $control ] || control=/sys/kernel/debug/dynamic_debug/control
	limit=/proc/sys/kernel/printk_devkmsg
	old_limit=$(cat $limit 2>/dev/null)
}

change_settings() {
	case $site in *' =_ '*)
		echo "func $func +p" >"$control" || refuse "cannot enable the pr_debug in $control"
		restore_site=yes
		;;
	esac
	# By default the kernel drops markers that follow each other quickly.
	if [ -n "$old_limit" ] && [ "$old_limit" != on ]; then
		echo on >"$limit" || refuse "cannot set $limit to on: markers would be lost"
		restore_limit=yes
	fi
}

# shellcheck disable=SC2317 # trap calls it
restore() {
	# An interrupted rebind leaves the device without its driver.
	for binding in $made; do
		IFS=: read -r driver device region <<-end
			$binding
		end
		[ -e "$bus/drivers/$driver/$device" ] || echo "$device" >"$bus/drivers/$driver/bind"
	done
	[ -z "$restore_site" ] || echo "func $func -p" >"$control"
	[ -z "$restore_limit" ] || echo "$old_limit" >"$limit"
	rm -rf "$work"
}

# shellcheck disable=SC2317 # trap calls it
interrupted() {
	trap - INT TERM HUP
	fail interrupted
}

# is_destroyed NAME: whether --destroy names it.
is_destroyed() {
	case " $destroyed " in *" $1 "*) return 0 ;; esac
	return 1
}

# --- main ---

names=
destroyed=
dry_run=
log=memmap-$(uname -r)-$(date +%Y%m%dT%H%M%S).log
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--dry-run) dry_run=yes ;;
	--rebinds | --log | --destroy)
		[ $# -gt 1 ] || refuse "$1: expected a value"
		case $1 in
		--rebinds) rebinds=$2 ;;
		--log) log=$2 ;;
		*)
			destroyed="$destroyed $2"
			case " $names " in *" $2 "*) ;; *) names="$names $2" ;; esac
			;;
		esac
		shift
		;;
	-*) refuse "$1: unknown option; see sh $0 --help" ;;
	*) case " $names " in *" $1 "*) ;; *) names="$names $1" ;; esac ;;
	esac
	shift
done
case $rebinds in
'' | *[!0-9]* | 0* | ?????*) refuse "--rebinds $rebinds: expected 1 to 1000" ;;
esac
[ "$rebinds" -le 1000 ] || refuse "--rebinds $rebinds: expected 1 to 1000"
[ "$(id -u)" = 0 ] || refuse 'expected to run as root'
if [ -z "$names" ]; then
	list_all
	exit 0
fi

mood=will
[ -z "$dry_run" ] || mood=would
prepare
drivers=
for name in $names; do
	find_namespace "$name"
	case " $drivers " in *" $driver "*)
		refuse "$name: a second namespace of $driver; expected at most one of each mode"
		;;
	esac
	drivers="$drivers $driver"
	find_use "$name"
	what="rebind $driver ($name, $device, $(cat "$bus/devices/$name/size") bytes) $rebinds times"
	if is_destroyed "$name"; then
		! command -v ndctl >/dev/null || what="recreate $name with ndctl, and $what"
		[ -z "$use" ] || what="$what, although it $use: its contents are lost"
	elif [ -n "$use" ]; then
		refuse "$name $use; nothing was changed. --destroy $name uses it anyway, and its contents are lost"
	fi
	echo "rebind: $mood $what"
done
case $site in *' =_ '*) echo "rebind: $mood enable the pr_debug in $func() meanwhile" ;; esac
[ -z "$old_limit" ] || [ "$old_limit" = on ] ||
	echo "rebind: $mood set $limit to on meanwhile (now $old_limit)"
echo "rebind: $mood write $log"
[ -z "$dry_run" ] || exit 0

counting=
made=
restore_site=
restore_limit=
work=$(mktemp -d) || refuse 'cannot make a temporary folder'
trap restore EXIT
trap interrupted INT TERM HUP
[ ! -f "$log" ] || refuse "$log: already exists"
exec 3>"$log" || refuse "$log: cannot be written"
change_settings
mark started
describe_kernel
describe_function
describe_machine
for name in $names; do
	find_namespace "$name"
	region=region${name#namespace}
	region=${region%.*}
	if is_destroyed "$name" && command -v ndctl >/dev/null; then
		where=$(cat "$bus/devices/$device/mode")
		mode=fsdax
		[ "$driver" = nd_pmem ] || mode=devdax
		map=dev
		[ "$where" = pmem ] || map=mem
		create_namespace "$driver" "$region" --reconfig="$name" --mode=$mode --map=$map \
			--align="$(cat "$bus/devices/$device/align")"
		name=$namespace
	fi
	use_namespace "$name" "$driver" "$region"
done
rebind_all "$rebinds"
echo "rebind: done; send $log"
finish 0

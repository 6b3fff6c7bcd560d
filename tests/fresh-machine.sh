#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# By hand, as root: do the README's commands work on a machine that has nothing?
# Makes Debian systems of minbase, git and ca-certificates, clones the committed HEAD into
# each and runs the commands there, with this machine's archive, proxy, certificates and pip
# configuration. Every mount is made in a mount namespace of its own and goes with it.

set -eu

usage() {
	cat <<'EOF_USAGE'
usage: tests/fresh-machine.sh [--fast] [--only=reproduce|test|user]... [RELEASE...]

  reproduce   root runs ./bootstrap reproduce --plan quick --json
  test        root runs ./bootstrap test (with --fast: ./bootstrap test --fast)
  user        an ordinary user, whose home has a space in its path, runs
              ./bootstrap test --fast; alone, it shows what a user is told who
              cannot install packages

All three by default, and without reproduce if --fast. RELEASE: bookworm and trixie by
default. Needs debootstrap, and 10 GB in ${TMPDIR:-/var/tmp}.
EOF_USAGE
}

# As first process of its namespaces: make ROOT the root and run the command there. A chroot
# would not do: the kernel refuses bubblewrap's user namespaces in one.
enter() {
	root=$1 user=$2 home=$3
	shift 3
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount -t sysfs sysfs "$root/sys"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
	cd "$root"
	pivot_root . mnt
	umount -l /mnt
	# shellcheck source=/dev/null
	. /etc/network-environment
	cd "$home/memmap-harness"
	exec setpriv --reuid="$user" --regid="$user" --init-groups \
		env HOME="$home" USER="$user" "$@"
}

# What debootstrap gives, plus what an installer adds, and what it takes here to reach the
# archive and a package index.
make_machine() {
	root=$1
	# shellcheck disable=SC2016 # apt's own placeholder
	uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		grep '/debian/$' | head -n 1)
	printf '\n=== %s  debootstrap\n' "$release" >&2
	unshare --mount debootstrap --variant=minbase --include=git,ca-certificates \
		"$release" "$root" "$uri" >&2

	# Debian 12's minbase leaves it to the installer.
	[ -e "$root/etc/hosts" ] ||
		printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"

	apt-config dump | grep -E '^Acquire::(https?|Check-)' >"$root/etc/apt/apt.conf.d/90host" || :
	cp -R /usr/local/share/ca-certificates "$root/usr/local/share/"
	chroot "$root" update-ca-certificates >/dev/null
	export -p | grep -iE '^export (pip_|[a-z_]*(proxy|ssl|cert|ca_bundle|cainfo))' \
		>"$root/etc/network-environment" || :
	pip_configuration /etc "$root/etc"

	chroot "$root" useradd --create-home --home-dir '/home/ordinary user' ordinary
	for home in /root '/home/ordinary user'; do
		mkdir -p "$root$home/.config/pip"
		pip_configuration "$HOME/.config/pip" "$root$home/.config/pip"
		git clone -q "file://$checkout" "$root$home/memmap-harness"
	done
	chroot "$root" chown -R ordinary:ordinary '/home/ordinary user'
}

pip_configuration() {
	if [ -f "$1/pip.conf" ]; then cp "$1/pip.conf" "$2/"; fi
}

# Runs a command in the machine at $root, and adds a row to the table.
run() {
	user=$1 home=$2
	shift 2
	printf '\n=== %s  %s: %s\n' "$release" "$user" "$*" >&2
	start=$(date +%s)
	code=0
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
		unshare --mount --pid --fork --kill-child \
		sh "$checkout/tests/fresh-machine.sh" --enter "$root" "$user" "$home" "$@" \
		</dev/null || code=$?
	[ "$code" = 0 ] || failed=yes
	printf '%-9s %-9s %-45s %4s %8s\n' "$release" "$user" "$*" "$code" \
		"$(($(date +%s) - start))" >>"$scratch/table"
}

case ${1-} in
--enter)
	shift
	enter "$@"
	;;
-h | --help)
	usage
	exit
	;;
esac

fast=''
only=''
while [ $# -gt 0 ]; do
	case $1 in
	--fast) fast=yes ;;
	--only=reproduce | --only=test | --only=user) only="$only ${1#*=}" ;;
	-*)
		usage >&2
		exit 2
		;;
	*) break ;;
	esac
	shift
done
if [ -z "$only" ]; then
	only='reproduce test user'
	[ -z "$fast" ] || only='test user'
fi
[ $# -gt 0 ] || set -- bookworm trixie
if [ "$(id -u)" != 0 ]; then
	echo 'fresh-machine.sh: making another root takes root' >&2
	exit 2
fi

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/fresh-machine.XXXXXX")
unset TMPDIR # which no other root has
trap 'rm -rf --one-file-system "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
printf '%-9s %-9s %-45s %4s %8s\n' release as command exit seconds >"$scratch/table"

failed=no
for release; do
	root=$scratch/$release
	make_machine "$root"
	for job in $only; do
		case $job in
		reproduce) run root /root ./bootstrap reproduce --plan quick --json ;;
		test) run root /root ./bootstrap test ${fast:+--fast} ;;
		user) run ordinary '/home/ordinary user' ./bootstrap test --fast ;;
		esac
	done
	rm -rf --one-file-system "$root"
done
echo
cat "$scratch/table"
[ "$failed" = no ]

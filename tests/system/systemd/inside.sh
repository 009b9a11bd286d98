#!/bin/bash
# Boots systemd over a copy-on-write view of a root file system: inside.sh FOLDER [SOURCE:TARGET ...]
#
# To be run as process 1 of new namespaces, by box.py. FOLDER is an empty directory; each SOURCE is seen at its TARGET.
# Nothing that happens in there is seen outside, and nothing stays of it: what is written goes to memory.
set -euo pipefail

upper=$1/upper
root=$upper/root
shift

mkdir "$upper"
mount -t tmpfs -o mode=755 tmpfs "$upper"
mkdir "$upper"/{changed,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$upper/changed,workdir=$upper/work" "$root"

# The kernel's own: enough to run services, and read-only where it would reach the machine.
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root"/dev/{pts,shm}
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/var/log"

# The units of this machine are hidden; what boots is the journal and little else.
units=$root/lib/systemd/system
mount -t tmpfs -o mode=755 tmpfs "$root/etc/systemd/system"
for hidden in "$root/lib/systemd/system-generators" "$units"/{sysinit,sockets,multi-user,timers}.target.wants; do
    if [ -d "$hidden" ]; then
        mount -t tmpfs -o mode=755 tmpfs "$hidden"
    fi
done
ln -s ../systemd-journald.service "$units/sysinit.target.wants/"
ln -s ../systemd-journald.socket ../systemd-journald-dev-log.socket "$units/sockets.target.wants/"
cat >"$root/etc/systemd/system/default.target" <<END
[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
END

for bind in "$@"; do
    mkdir -p "$root${bind#*:}"
    mount --bind "${bind%%:*}" "$root${bind#*:}"
done

cd "$root"
mkdir .outside
pivot_root . .outside
umount -l /.outside
# As on any machine that systemd booted. Without it, the credentials of a service stay empty.
mount --make-rshared /
echo "the box is made"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=box \
    /lib/systemd/systemd --system --log-target=journal --show-status=false

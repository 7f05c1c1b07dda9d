#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A stock guest on each kind of network: user mode (DHCP, port forwarding, without root), tap, tap with several queues, vhost-net. A file
# comes, a file goes, one is fetched from the guest, each judged by its checksum; the driver is bound anew ten times.

. "$(dirname "$0")/lab.sh"
lab_same
lab_enter 200 "$0"

busybox head -c 3000000 /dev/urandom >from-host
down=$(sum <from-host)
busybox httpd -p 8080 -h "$W"

# net NAME RELEASE CPUS TESTS [OPTION...]: one boot, judged. $guest is where the guest's ports 80 and 81 are seen from here.
seed=300
net() {
	local name=$1 release=$2 cpus=$3 run=$4 sink
	shift 4
	seed=$((seed + 1))
	rm -f up.bin
	socat -u TCP-LISTEN:8081,reuseaddr OPEN:up.bin,creat,trunc &
	sink=$!
	PARAMS="$address lkvm.seed=$seed" start $release $cpus "net,$run" --timeout $((200 * patience)) "$@"
	case $run in *net_serve*)
		if wait_for out 'net_serve: served=' 150; then
			is "$(timeout $((100 * patience)) busybox wget -Y off -q -O - "http://$guest/served" | sum)" "$(value out served)" "$name: a file fetched from the guest"
			socat -u OPEN:/dev/null "TCP:${guest/%80/81}"
		else
			ok 1 "$name: the guest serves"
		fi ;;
	esac
	if [ "${vhost-}" ]; then
		wait_for out 'net: pings=' 150 && ls /proc/[0-9]*/task/*/comm | xargs grep -sl '^vhost-' | wc -l >vhosts
		is "$([ "$(cat vhosts)" -ge 1 ] && echo some)" some "$name: the kernel's vhost has the queues"
	fi
	finish 200
	kill $sink 2>/dev/null
	wait $sink 2>/dev/null
	is $status 0 "$name: ends well" || evidence out err
	is "$(value out pings)" 3 "$name: pings come back"
	is "$(value out down)" "$down" "$name: a file from the host"
	is "$(value out up)" "$(sum <up.bin)" "$name: a file to the host"
	is "$(stat -c %s up.bin)" 3000001 "$name: all of it"
	case $run in *net_rebind*)
		is "$(value out good)" 10 "$name: ten times bound anew"
		is "$(sed -n 's/.*net_rebind: down=//p' out | tr -d '\r')" "$down" "$name: and the file comes again" ;;
	esac
	hasnt out 'BUG:|Oops|Call Trace' "$name: the guest's kernel is content"
	is "$(ip -o link | grep -c ' tap')" 0 "$name: no interface is left"
}

# --- user mode; the second time by a user who may do nothing but open /dev/kvm

address="lkvm.net=dhcp lkvm.peer=192.168.33.1"
guest=127.0.0.1:18080
forward="hostfwd=tcp:127.0.0.1:18080-:80,hostfwd=tcp:127.0.0.1:18081-:81"
net user $usual 1 net_serve,net_rebind -n "user,$forward"
is "$(value out address)" 192.168.33.15/24 "user: the address that DHCP gives"
is "$(value out router)" 192.168.33.1 "user: and the router"

plain=$LAB_SCRATCH/plain
mkdir -m 700 "$plain"
cp "$(kernel $other)" "$plain/kernel"
cp "$(initrd $other)" "$plain/initrd"
cp "$lkvm" "$plain/lkvm"
chown -R 65534 "$plain"
chmod 711 "$LAB_SCRATCH"
chmod 666 /dev/kvm
setpriv --reuid=65534 --regid=65534 --clear-groups env -u HOME XDG_RUNTIME_DIR="$plain" "$plain/lkvm" run -k "$plain/kernel" \
	-i "$plain/initrd" -c 1 -m 256 -p "quiet lkvm.test=net lkvm.seed=1 $address" -n user --timeout $((200 * patience)) --loglevel warning </dev/null >out 2>err
is $? 0 "user, no rights: ends well" || evidence out err
is "$(value out down)" "$down" "user, no rights: a file from the host"

# --- taps

address="lkvm.net=192.168.77.2/24 lkvm.peer=192.168.77.1"
tap=mode=tap,host_ip=192.168.77.1,guest_ip=192.168.77.2
guest=192.168.77.2:80
net tap $other 1 net_serve,net_rebind -n $tap
net "tap, 2 queue pairs" $usual 2 net_serve,net_rebind -n $tap,mq=2,mtu=4000
is "$(value out rxqueues)" 2 "tap, 2 queue pairs: the guest sees them"
is "$(value out mtu)" 4000 "tap, 2 queue pairs: and the MTU"
net "tap, packed" $usual 1 net_serve -n $tap --virtio-packed --virtio-in-order
net "tap, legacy" $usual 1 net_serve,net_rebind -n $tap --virtio-transport pci-legacy

vhost=1
net vhost $other 1 net_serve,net_rebind -n $tap,vhost=1
net "vhost, 2 queue pairs" $usual 2 net_serve,net_rebind -n $tap,vhost=1,mq=2
vhost=

done_testing

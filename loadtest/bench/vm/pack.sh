#!/bin/sh
# What a guest of the scenario vm boots, made in a folder: pack.sh FOLDER, at the top of
# the repository. vmlinuz is Debian's cloud kernel, which has the drivers of a QEMU guest
# built in; it is fetched once. init.cpio is the file system: init, a static barrage and
# bench, and FOLDER/settings.json.
set -eu
folder=$1
kernel=${XDG_CACHE_HOME:-$HOME/.cache}/barrage-vm/vmlinuz
root=$folder/root

if [ ! -s "$kernel" ]; then
	name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p' | head -n 1)
	if [ -z "$name" ]; then
		echo "no package linux-image-cloud-amd64; is this Debian on amd64, and apt-get update done?" >&2
		exit 1
	fi
	# As root apt would drop to a user that may not write here, and warn.
	(cd "$folder" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$name" && dpkg -x ./*.deb kernel)
	mkdir -p "$(dirname "$kernel")"
	cp "$folder"/kernel/boot/vmlinuz-* "$kernel.new"
	mv "$kernel.new" "$kernel"
fi
ln -s "$kernel" "$folder/vmlinuz"

mkdir -p "$root/dev" "$root/proc" "$root/sys" "$root/tmp"
CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build -trimpath -o "$root/" ./loadtest/bench ./cmd/barrage
cp "$(dirname "$0")/init" "$folder/settings.json" "$(command -v busybox)" "$root"
chmod +x "$root/init"
(cd "$root" && find . | busybox cpio -o -H newc) >"$folder/init.cpio"

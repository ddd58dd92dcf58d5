# shellcheck shell=bash
# What ./up and ./check both need of a machine: Debian's packages, a Docker engine that answers, and
# the base image. Sourced, never run. The caller sets `log`, a file for what programs say.

base=debian:bookworm-slim
build_packages=(gcc libc6-dev meson ninja-build pkg-config libarchive-dev libcurl4-openssl-dev libssl-dev
	libglib2.0-dev libjansson-dev libmicrohttpd-dev libsmartcols-dev libsqlite3-dev libwslay-dev
	libyaml-dev ca-certificates curl)
program=$(basename "$0")

say() {
	echo "$program: $*"
}

fail() {
	echo "$program: $*" >&2
	exit 1
}

need_bookworm() {
	grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release ||
		fail "made for Debian 12: the rack's image holds its packages and programs built against them"
}

# The packages ($@) that are not here, and what Docker and the base image need.
install_packages() {
	local package missing=()
	for package in "$@"; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
			missing+=("$package")
	done
	command -v dockerd >/dev/null || docker version >/dev/null 2>&1 ||
		missing+=(docker.io cgroupfs-mount)
	docker image inspect "$base" >/dev/null 2>&1 || command -v debootstrap >/dev/null ||
		missing+=(debootstrap)
	[ ${#missing[@]} -gt 0 ] || return 0

	say "packages: ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	{ apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"; } \
		>"$log" 2>&1 || fail "packages: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
	command -v docker >/dev/null || fail "dockerd is here but the docker command is not"
}

start_docker() {
	local second
	docker version >/dev/null 2>&1 && return
	say "starting Docker"
	if [ -d /run/systemd/system ]; then
		systemctl enable --now docker >"$log" 2>&1 || fail "docker: $(tail -n 1 "$log")"
	else
		mountpoint -q /sys/fs/cgroup || cgroupfs-mount 2>/dev/null || true
		setsid dockerd >/var/log/dockerd.log 2>&1 </dev/null &
	fi
	for second in $(seq 60); do
		docker version >/dev/null 2>&1 && return
		sleep 0.5
	done
	fail "Docker does not answer after $((second / 2)) s: $(tail -n 1 /var/log/dockerd.log 2>&1)"
}

base_image() {
	docker image inspect "$base" >/dev/null 2>&1 && return
	say "image $base"
	timeout 120 docker pull -q "$base" >/dev/null 2>&1 || tools/base-image "$base"
}

#!/bin/sh
# Sees to it that the system programs of a part of the development set-up are there; the part is podman, sandbox, cluster, bench, postgres, keycloak, pulsar, netpol or browser.
# As root on Debian, what is missing is installed, and reported; elsewhere the message says what to install.
set -eu
say() { echo "packages: $*"; }

case "${1:-}" in
  podman)
    programs="podman runc conmon debootstrap"
    packages="podman runc conmon debootstrap" ;;
  sandbox)
    programs="bwrap"
    packages="bubblewrap" ;;
  cluster)
    programs="containerd runc etcd etcdctl ip iptables sysctl docker-registry conntrack podman debootstrap openssl busybox"
    packages="containerd runc etcd-server etcd-client containernetworking-plugins iproute2 iptables procps docker-registry conntrack podman debootstrap openssl busybox-static" ;;
  bench)
    programs="nginx ab"
    packages="nginx-light apache2-utils" ;;
  postgres)
    programs="pg_ctlcluster"
    packages="postgresql" ;;
  keycloak)
    programs="java mvn curl unzip"
    packages="openjdk-17-jre-headless maven ca-certificates curl unzip" ;;
  pulsar)
    programs="java mvn curl openssl"
    packages="openjdk-17-jre-headless maven ca-certificates curl openssl" ;;
  netpol)
    programs="ipset iptables"
    packages="ipset iptables" ;;
  browser)
    programs="chromium"
    packages="chromium" ;;
  *) say "name a part: podman, sandbox, cluster, bench, postgres, keycloak, pulsar, netpol or browser" >&2; exit 2 ;;
esac

missing=""
for program in $programs; do
  command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || missing="$missing $program"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  say "missing:$missing; on Debian: apt-get install $packages" >&2
  exit 1
fi
say "missing:$missing; installing Debian packages (a minute)"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  # servers among them are started by whoever needs them, on ports of their own, not by Debian
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
# shellcheck disable=SC2086  # one word per package is meant
if ! { apt-get update && apt-get install --yes --no-install-recommends $packages; } >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  say "apt-get failed; its last lines are above" >&2
  exit 1
fi
rm -f "$log"

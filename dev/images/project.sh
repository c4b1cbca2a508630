# Sourced: builds images of the project with podman. On an ordinary machine this is `docker build -f deploy/job/Dockerfile .`;
# the host's package sources, certificates and pip settings are lent to the build and not kept in the image, so that a
# site's mirror is reachable without its address standing in any file here.
PROJECT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

lend_host_settings() {
  local path
  echo "-v /etc/ssl/certs:/etc/ssl/certs:ro"
  [ -f /etc/pip.conf ] && echo "-v /etc/pip.conf:/etc/pip.conf:ro"
  . /etc/os-release
  [ "${VERSION_CODENAME:-}" = bookworm ] || return 0
  for path in /etc/apt /usr/share/keyrings; do [ -d "$path" ] && echo "-v $path:$path:ro"; done
}

# build_image IMAGE CONTEXT [OPTION...]
build_image() {
  local image=$1 context=$2; shift 2
  say "building $image"
  # chroot isolation: RUN lines work where nested namespaces are not allowed
  # shellcheck disable=SC2046  # one word per option is meant
  podman build --quiet --layers --pull=never --isolation chroot $(lend_host_settings) -t "$image" "$@" "$context" >/dev/null
}

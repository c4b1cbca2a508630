# Sourced: builds the job image with podman. On an ordinary machine this is `docker build -f deploy/job/Dockerfile .`;
# the host's package sources, certificates and pip settings are lent to the build and not kept in the image, so that
# a site's mirror is reachable without its address standing in any file here.
JOB_IMAGE=${JOB_IMAGE:-docker.io/zoo-runner/job:dev}

job_host_mounts() {
  local path
  echo "-v /etc/ssl/certs:/etc/ssl/certs:ro"
  [ -f /etc/pip.conf ] && echo "-v /etc/pip.conf:/etc/pip.conf:ro"
  . /etc/os-release
  [ "${VERSION_CODENAME:-}" = bookworm ] || return 0
  for path in /etc/apt /usr/share/keyrings; do [ -d "$path" ] && echo "-v $path:$path:ro"; done
}

build_job_image() {
  say "building $JOB_IMAGE"
  # shellcheck disable=SC2046  # one word per option is meant
  podman build --quiet --layers --pull=never --isolation chroot $(job_host_mounts) -t "$JOB_IMAGE" \
    -f "$HERE/../../deploy/job/Dockerfile" "$HERE/../.." >/dev/null
}

# Sourced, after env.sh: puts an image into the registry of the cluster, under its usual name.
push() {
  podman push -q --tls-verify=false "$1" "$REGISTRY/${1#*/}" >/dev/null
  # a node that has the tag already would keep the former image
  [ -S "$CONTAINERD_SOCK" ] && ctr -a "$CONTAINERD_SOCK" -n k8s.io images rm "$1" >/dev/null 2>&1 || true
  say "pushed $1"
}

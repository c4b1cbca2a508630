# Sourced by every script here: where the development cluster lives and which versions it has.
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
CLUSTER_DIR="${CLUSTER_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/zoo-runner/cluster}"   # all state; delete it to start afresh
KUBE_VERSION=1.34.4
# binaries are named by what they are made of: a cache kept between CI runs is used exactly when it fits
BUILD_KEY=$(cat "$HERE/go.mod" "$HERE/go.sum" "$HERE/build.sh" | sha256sum | cut -c1-16)
BIN="$CLUSTER_DIR/bin/$BUILD_KEY"; RUN="$CLUSTER_DIR/run"; LOGS="$CLUSTER_DIR/logs"; PKI="$CLUSTER_DIR/pki"
export KUBECONFIG="$CLUSTER_DIR/kubeconfig"
CONTAINERD_SOCK="$CLUSTER_DIR/containerd/containerd.sock"
REGISTRY=127.0.0.1:5000        # every image name is pulled from here, whatever registry it names
NODE_IP=10.240.0.1 POD_CIDR=10.244.0.0/24 SERVICE_CIDR=10.96.0.0/16
STRAY="-d $SERVICE_CIDR -p tcp -j REJECT --reject-with tcp-reset"   # what no rule of a service has taken up
mkdir -p "$BIN" "$RUN" "$LOGS" "$PKI" "$CLUSTER_DIR"/{etcd,kubelet,containerd,registry,volumes,cni,certs.d/_default}

say() { echo "cluster: $*"; }

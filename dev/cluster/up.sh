#!/usr/bin/env bash
# Starts a real one-node Kubernetes as root on this machine, without systemd:
# registry, etcd, containerd, API server, controller manager, scheduler, kubelet, kube-proxy.
# The servers are built first where the cache has none. With KUBERNETES=yours the cluster that $KUBECONFIG names is
# left as it is (kind, k3s, a site's own): nothing is started here.
# Needs (Debian, root): the packages below, and Go for the build.
set -euo pipefail
if [ "${KUBERNETES:-}" = yours ]; then
  kubectl version >/dev/null && echo "cluster: using KUBECONFIG=${KUBECONFIG:-~/.kube/config}"
  exit
fi
. "$(dirname "$0")/env.sh"
PACKAGES="containerd runc etcd-server etcd-client containernetworking-plugins iproute2 iptables procps docker-registry conntrack podman debootstrap openssl busybox-static"

[ "$(id -u)" = 0 ] || { say "this starts a node of its own and needs root; for another cluster set KUBERNETES=yours and KUBECONFIG" >&2; exit 1; }
for program in containerd runc etcd ip iptables sysctl docker-registry conntrack podman openssl busybox; do
  command -v $program >/dev/null || { say "$program is missing: apt-get install -y --no-install-recommends $PACKAGES" >&2; exit 1; }
done

start() { local name=$1; shift; running "$name" && return; nohup "$@" >"$LOGS/$name.log" 2>&1 </dev/null & echo $! >"$RUN/$name.pid"; }
running() { [ -f "$RUN/$1.pid" ] && kill -0 "$(cat "$RUN/$1.pid")" 2>/dev/null; }
# while kube-proxy writes the rules of a service, its address is nobody's: whatever answers beyond this machine is not it
for chain in OUTPUT FORWARD; do
  iptables -C $chain $STRAY 2>/dev/null || iptables -A $chain $STRAY
done
running proxy && { say "already up: export KUBECONFIG=$KUBECONFIG"; exit 0; }
"$HERE/build.sh"

mount --make-rshared /                       # kubelet volumes propagate into pods
sysctl -qw net.ipv4.ip_forward=1
ip link show dev-node0 >/dev/null 2>&1 || { ip link add dev-node0 type bridge; ip addr add $NODE_IP/24 dev dev-node0; }
ip link set dev-node0 up                     # a node address of our own: kubelet refuses loopback

if [ ! -f "$PKI/api.crt" ]; then
  openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null; openssl rsa -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub" 2>/dev/null
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$PKI/ca.key" -out "$PKI/ca.crt" -days 365 -subj /CN=dev-ca 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -keyout "$PKI/api.key" -out "$PKI/api.csr" -subj /CN=kube-apiserver 2>/dev/null
  echo "subjectAltName=DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1,IP:$NODE_IP" >"$PKI/api.ext"
  openssl x509 -req -in "$PKI/api.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial -out "$PKI/api.crt" -days 365 -extfile "$PKI/api.ext" 2>/dev/null
  token=$(openssl rand -hex 16); echo "$token,admin,admin,system:masters" >"$PKI/tokens.csv"
  cat >"$KUBECONFIG" <<Y
apiVersion: v1
kind: Config
clusters: [{name: dev, cluster: {server: "https://127.0.0.1:6443", certificate-authority: $PKI/ca.crt}}]
users: [{name: admin, user: {token: $token}}]
contexts: [{name: dev, context: {cluster: dev, user: admin}}]
current-context: dev
Y
  chmod 600 "$KUBECONFIG"
fi

cat >"$CLUSTER_DIR/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
containerRuntimeEndpoint: unix://$CONTAINERD_SOCK
failSwapOn: false
failCgroupV1: false
enforceNodeAllocatable: []
evictionHard: {memory.available: "100Mi"}
imageGCHighThresholdPercent: 100
maxPods: 200
volumePluginDir: $CLUSTER_DIR/kubelet/volume-plugins
Y
cat >"$CLUSTER_DIR/cni/10-bridge.conflist" <<Y
{"cniVersion": "0.4.0", "name": "dev", "plugins": [
  {"type": "bridge", "bridge": "cni-dev0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_CIDR"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
Y
cat >"$CLUSTER_DIR/certs.d/_default/hosts.toml" <<Y
server = "http://$REGISTRY"
[host."http://$REGISTRY"]
  capabilities = ["pull", "resolve"]
Y
cat >"$CLUSTER_DIR/registry.yml" <<Y
version: 0.1
storage: {filesystem: {rootdirectory: $CLUSTER_DIR/registry}, delete: {enabled: true}}
http: {addr: "$REGISTRY"}
Y
cat >"$CLUSTER_DIR/containerd.toml" <<Y
version = 2
root = "$CLUSTER_DIR/containerd/root"
state = "$CLUSTER_DIR/containerd/state"
[grpc]
  address = "$CONTAINERD_SOCK"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "pause:dev"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$CLUSTER_DIR/certs.d"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$CLUSTER_DIR/cni"
Y

start registry docker-registry serve "$CLUSTER_DIR/registry.yml"
start etcd etcd --data-dir "$CLUSTER_DIR/etcd" --unsafe-no-fsync \
  --listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 --listen-peer-urls http://127.0.0.1:12380
start containerd containerd -c "$CLUSTER_DIR/containerd.toml"
# a watch that begins with a list needs etcd 3.5: with an older one clients see it end again and again
start apiserver "$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:12379 --secure-port=6443 \
  --tls-cert-file="$PKI/api.crt" --tls-private-key-file="$PKI/api.key" --token-auth-file="$PKI/tokens.csv" \
  --authorization-mode=RBAC --allow-privileged=true --service-cluster-ip-range=$SERVICE_CIDR --advertise-address=$NODE_IP \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$PKI/sa.pub" --service-account-signing-key-file="$PKI/sa.key" \
  --kubelet-preferred-address-types=InternalIP --feature-gates=WatchList=false
for _ in $(seq 120); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.5; done
start controller-manager "$BIN/kube-controller-manager" --kubeconfig="$KUBECONFIG" --leader-elect=false \
  --service-account-private-key-file="$PKI/sa.key" --root-ca-file="$PKI/ca.crt" --use-service-account-credentials=true
start scheduler "$BIN/kube-scheduler" --kubeconfig="$KUBECONFIG" --leader-elect=false
start kubelet "$BIN/kubelet" --config="$CLUSTER_DIR/kubelet.yaml" --kubeconfig="$KUBECONFIG" --root-dir="$CLUSTER_DIR/kubelet" --hostname-override=node1 --node-ip=$NODE_IP
start proxy "$BIN/kube-proxy" --kubeconfig="$KUBECONFIG" --proxy-mode=iptables --cluster-cidr=$POD_CIDR --conntrack-max-per-core=0 --hostname-override=node1

CLUSTER_DIR="$CLUSTER_DIR" start volumes python3 "$HERE/volumes.py"
"$HERE/images.sh"
kubectl apply -f "$HERE/../../deploy/kubernetes/admission.yaml" >/dev/null
kubectl wait --for=condition=Ready node/node1 --timeout=60s >/dev/null
say "up: export KUBECONFIG=$KUBECONFIG"

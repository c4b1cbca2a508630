#!/usr/bin/env bash
# Starts a real Argo Workflows beside the development cluster: custom resources, accounts, executor image; controller and
# server as processes of this machine, for all namespaces. With ARGO_SERVER the Argo Workflows that answers there is used
# as it is, and nothing is started.
set -euo pipefail
if [ -n "${ARGO_SERVER:-}" ]; then
  curl -sSf --connect-timeout 10 "${ARGO_SERVER%/}/api/v1/version" ${ARGO_TOKEN:+-H "Authorization: Bearer ${ARGO_TOKEN#Bearer }"} >/dev/null
  echo "argo: using ARGO_SERVER=$ARGO_SERVER"
  exit
fi
given=${KUBECONFIG:-}
. "$(dirname "$0")/../cluster/env.sh"
. "$(dirname "$0")/env.sh"
export KUBECONFIG="${given:-$KUBECONFIG}" CONTAINERS_CONF="$HERE/../images/containers.conf"
running() { [ -f "$RUN/$1.pid" ] && kill -0 "$(cat "$RUN/$1.pid")" 2>/dev/null; }
start() { local name=$1; shift; running "$name" && return; nohup "$@" >"$LOGS/$name.log" 2>&1 </dev/null & echo $! >"$RUN/$name.pid"; }

kubectl get --raw /readyz >/dev/null 2>&1 || { say "no cluster answers: start one with make cluster" >&2; exit 1; }
running controller && running server && { say "already up"; exit 0; }
"$HERE/build.sh"

# too large for the annotation that a client-side apply leaves
kubectl apply --server-side -k "$SOURCE/manifests/base/crds/full" >/dev/null
kubectl wait --for=condition=Established --timeout=30s crd/workflows.argoproj.io >/dev/null
kubectl create namespace "$ARGO_NAMESPACE" --dry-run=client -o yaml | kubectl apply -f - >/dev/null
kubectl apply -n "$ARGO_NAMESPACE" -f - >/dev/null <<Y
apiVersion: v1
kind: ConfigMap
metadata: {name: workflow-controller-configmap}
data:
  nodeEvents: "{enabled: true}"
  metricsConfig: "{enabled: false}"
  telemetryConfig: "{enabled: false}"
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: argo-user}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: argo-user}
rules:
- {apiGroups: [argoproj.io], resources: [workflows, workflowtemplates], verbs: ["*"]}
- {apiGroups: [argoproj.io], resources: [workflowtaskresults], verbs: [create, patch]}
- {apiGroups: [""], resources: [pods, pods/log, events], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: argo-user}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: argo-user}
subjects: [{kind: ServiceAccount, name: argo-user}]
Y
if ! curl -sf "http://$REGISTRY/v2/zoo-runner/argoexec/manifests/${EXECUTOR_IMAGE##*:}" >/dev/null; then
  work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
  cp "$BIN/argoexec" /etc/ssl/certs/ca-certificates.crt "$work/"
  printf 'FROM scratch\nCOPY argoexec /bin/argoexec\nCOPY ca-certificates.crt /etc/ssl/certs/\nENV PATH=/bin\nENTRYPOINT ["argoexec"]\n' >"$work/Dockerfile"
  podman build -q --isolation chroot -t "$EXECUTOR_IMAGE" "$work" >/dev/null
  podman push -q --tls-verify=false "$EXECUTOR_IMAGE" "$REGISTRY/${EXECUTOR_IMAGE#*/}" >/dev/null
  say "pushed $EXECUTOR_IMAGE"
fi

# Argo looks at a workflow again after 10 s unless this says otherwise, whatever its pods do meanwhile
export LEADER_ELECTION_DISABLE=true DEFAULT_REQUEUE_TIME="${DEFAULT_REQUEUE_TIME:-1s}" ARGO_NAMESPACE
start controller "$BIN/workflow-controller" --kubeconfig "$KUBECONFIG" --namespace "$ARGO_NAMESPACE" \
  --executor-image "$EXECUTOR_IMAGE" --executor-image-pull-policy IfNotPresent
start server "$BIN/argo" server --kubeconfig "$KUBECONFIG" --namespace "$ARGO_NAMESPACE" --auth-mode client --secure=false \
  --port "$ARGO_PORT" --loglevel warn
for _ in $(seq 60); do curl -s "http://127.0.0.1:$ARGO_PORT/api/v1/version" >/dev/null && break; sleep 0.5; done
for name in controller server; do
  running $name || { tail -n 3 "$LOGS/$name.log" >&2; say "the $name ended; its last lines are above" >&2; exit 1; }
done
say "up: export ARGO_SERVER=http://127.0.0.1:$ARGO_PORT ARGO_NAMESPACE=$ARGO_NAMESPACE ARGO_TOKEN=\"\$(kubectl -n $ARGO_NAMESPACE create token argo-user)\""

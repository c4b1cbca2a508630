#!/usr/bin/env bash
# Builds Helm from the Go module proxy into this user's cache, once (two minutes of a core).
set -euo pipefail
cd "$(dirname "$0")"
# named by what it is made of: a cache kept between CI runs is used exactly when it fits
KEY=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-16)
FOLDER=${XDG_CACHE_HOME:-$HOME/.cache}/zoo-runner/helm/$KEY
if [ ! -x "$FOLDER/helm" ]; then
  version=$(sed -n 's/.*helm.sh\/helm\/v3 \(v[0-9.]*\).*/\1/p' go.mod)
  echo "helm: building Helm $version (two minutes)"
  mkdir -p "$FOLDER"
  # the version of Kubernetes that charts are rendered for where no cluster is asked: that of its libraries
  minor=$(sed -n 's/.*k8s.io\/client-go v0\.\([0-9]*\)\..*/\1/p' go.mod)
  flags="-s -w -X helm.sh/helm/v3/internal/version.version=$version"
  for setting in k8sVersionMajor=1 "k8sVersionMinor=$minor"; do flags="$flags -X helm.sh/helm/v3/pkg/chartutil.$setting"; done
  CGO_ENABLED=0 go build -trimpath -ldflags "$flags" \
    -o "$FOLDER/helm.part" helm.sh/helm/v3/cmd/helm
  mv "$FOLDER/helm.part" "$FOLDER/helm"
fi
# tests find it by its plain name
ln -sfn "$KEY/helm" "${FOLDER%/*}/helm"

#!/usr/bin/env bash
# Builds the images of deploy/ with podman, prints their sizes and writes an SBOM of each (CycloneDX) into dist/sbom:
#
#   docker.io/zoo-runner/service     api, worker, harvester and ingester
#   docker.io/zoo-runner/stagein, …/stageout
#   docker.io/zoo-runner/postgresql  for the chart's postgresql.enabled
#   docker.io/zoo-runner/job         the pod of a job
#
# `deploy.sh --cluster` builds what the chart runs, besides the job image, and Open Policy Agent, and pushes it to dev/cluster.
# The tag is TAG, by default `dev`. Needs the Debian base (build.sh).
set -euo pipefail
. "$(dirname "$0")/../cluster/env.sh"
. "$HERE/push.sh"
. "$HERE/../images/project.sh"
export CONTAINERS_CONF="$PROJECT/dev/images/containers.conf"
TAG=${TAG:-dev}
SERVICE=docker.io/zoo-runner/service:$TAG
POSTGRESQL=docker.io/zoo-runner/postgresql:15
say() { echo "images: $*"; }

build_service() { build_image "$SERVICE" "$PROJECT" -f "$PROJECT/deploy/service/Dockerfile"; }
build_postgresql() { build_image "$POSTGRESQL" "$PROJECT/deploy/postgresql"; }

# the official image has the same program; no registry that has it need be reached
build_opa() {
  local program work
  program=$(ls -d "${XDG_CACHE_HOME:-$HOME/.cache}"/zoo-runner/opa/v*/opa | sort -V | tail -n 1)
  work=$(mktemp -d); trap 'rm -rf "$work"' RETURN
  cp "$program" "$work/"
  printf 'FROM scratch\nCOPY opa /opa\nUSER 1000:1000\nENTRYPOINT ["/opa"]\n' >"$work/Dockerfile"
  build_image "$OPA" "$work"
}

describe() {
  mkdir -p "$PROJECT/dist/sbom"
  "$PROJECT/.venv/bin/python" "$PROJECT/dev/images/sbom.py" "$1" "$PROJECT/dist/sbom/$2.cdx.json"
}

build_service
build_postgresql
if [ "${1:-}" = --cluster ]; then
  OPA=docker.io/zoo-runner/opa:$TAG
  build_opa
  for image in "$SERVICE" "$POSTGRESQL" "$OPA"; do push "$image"; done
  exit
fi
describe "$SERVICE" service
describe "$POSTGRESQL" postgresql
for stager in stagein stageout; do
  build_image "docker.io/zoo-runner/$stager:$TAG" "$PROJECT" -f "$PROJECT/deploy/stager/Dockerfile" --build-arg "STAGER=$stager"
  describe "docker.io/zoo-runner/$stager:$TAG" "$stager"
done
JOB_IMAGE=docker.io/zoo-runner/job:$TAG
. "$HERE/job-image.sh"
build_job_image
describe "$JOB_IMAGE" job
podman images --format 'images: {{.Repository}}:{{.Tag}}  {{.Size}}' | grep -E "zoo-runner/(service|stagein|stageout|job):$TAG|zoo-runner/postgresql"

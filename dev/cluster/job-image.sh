# Sourced: builds the job image with podman.
. "$(dirname "${BASH_SOURCE[0]}")/../images/project.sh"
JOB_IMAGE=${JOB_IMAGE:-docker.io/zoo-runner/job:dev}

build_job_image() { build_image "$JOB_IMAGE" "$PROJECT" -f "$PROJECT/deploy/job/Dockerfile"; }

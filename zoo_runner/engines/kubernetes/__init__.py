"""What the engines on a cluster share: client of the Kubernetes API, manifests, follower, submission, job pod."""

"""Kubernetes: the door to its API, a job as manifests, and what its pods and events say."""

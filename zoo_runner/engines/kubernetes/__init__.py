"""The Kubernetes API: client, watches, names, pods; shared by the engines that run on a cluster."""

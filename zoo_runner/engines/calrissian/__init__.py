"""The calrissian engine: one Kubernetes Job for each job, whose pod runs Calrissian."""

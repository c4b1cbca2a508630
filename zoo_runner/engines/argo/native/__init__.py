"""The argo-native engine: one Argo Workflow for each job, with one pod for each step of the package."""

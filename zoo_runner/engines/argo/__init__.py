"""The argo engine: one Argo Workflow for each job."""

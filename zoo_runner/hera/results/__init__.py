"""Results of a workflow: artifacts, through the Argo server, and files on volumes, through a pod that reads them."""

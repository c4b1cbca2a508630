"""What a Workflow has left as artifacts, and downloading it through the Argo server."""

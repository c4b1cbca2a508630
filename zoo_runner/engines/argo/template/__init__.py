"""Jobs that run a WorkflowTemplate of the site instead of CWL."""

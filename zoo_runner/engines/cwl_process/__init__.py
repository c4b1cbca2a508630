"""What every process that runs CWL shares: supervision, loading, resources, diagnosis of its output."""

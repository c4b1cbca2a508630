"""Settings, read once and typed; the folders and log names of a job."""

"""The life of a job: accepted, executed on an engine, recovered where its process was lost, logged and published."""

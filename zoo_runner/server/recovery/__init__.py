"""Lists jobs again whose database is lost, by what was published beside their results."""

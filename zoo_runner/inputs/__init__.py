"""Checks a client's inputs against the types of the package; reports all problems at once."""

"""A deployed process."""

"""What a caller gives, checked against what the package accepts, all problems at once."""

"""A tour of zoo-runner on real satellite data: `make demo`."""

"""The command line `zoo-runner`."""

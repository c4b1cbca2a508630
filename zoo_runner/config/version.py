"""The version of this release, which the default tags of its images have."""

VERSION = "0.1.0"

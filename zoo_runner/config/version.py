"""The version of this release, the default tag of its images."""

VERSION = "0.1.0"

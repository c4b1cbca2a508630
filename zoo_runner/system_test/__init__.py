"""Tests of a deployment from outside, for its operator: `zoo-runner system-test`."""

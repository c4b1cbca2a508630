"""Revisions, numbered in order; what was released is never edited."""

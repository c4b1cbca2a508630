"""Deploys the workflows of git repositories at an OGC API - Processes server, and keeps them up to date (Part 2)."""

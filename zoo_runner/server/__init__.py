"""The HTTP server: OGC API - Processes over the store, and the workers that run its jobs."""

"""Where jobs and their events are kept: Protocols, and one module for each implementation."""

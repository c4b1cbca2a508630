"""Programs that use other people's clients against a running server; they run in an environment of their own.

Each gets the address of the server and of a package on the web, does what its client can do, and prints one JSON
object: by operation, what came out of it.
"""

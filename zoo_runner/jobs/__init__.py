"""A job: its identity, what happens in it, what is kept of it, and how it is stopped or gone on with."""

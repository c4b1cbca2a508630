"""Pages for people: each document of the API as HTML, with what a person asks of it: steps, logs, forms."""

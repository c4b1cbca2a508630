"""The history of the schema, one revision per release that changed it."""

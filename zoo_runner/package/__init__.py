"""From a reference or bytes to one packed document, and what it says: loading, description, validation."""

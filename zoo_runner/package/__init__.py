"""From a reference or bytes to one packed document, and its content: loading, description, validation."""

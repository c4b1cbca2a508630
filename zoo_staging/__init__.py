"""What stage-in and stage-out share: clients of object storage and HTTP, checksums, errors, progress."""

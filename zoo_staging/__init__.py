"""What stage-in and stage-out share: the doors to object storage and HTTP, checksums, errors, progress."""

"""What the whole product speaks of: jobs, outcomes, diagnoses, events, packages, as frozen values."""

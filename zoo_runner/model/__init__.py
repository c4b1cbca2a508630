"""The values that all layers use: jobs, outcomes, diagnoses, events, packages; frozen."""

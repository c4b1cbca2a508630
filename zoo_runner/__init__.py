"""Runs Earth-observation application packages near the data and says clearly what happened."""

"""The adapter to ZOO-Project: `service` runs a job for a kernel, `dismiss` stops one; the rest translates."""

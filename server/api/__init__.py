"""HTTP: one file per group of endpoints."""

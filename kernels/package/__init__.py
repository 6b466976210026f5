"""The kernel folder: an overlay, its instruction streams, a manifest and a self-test, written and read."""

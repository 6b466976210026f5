"""Kernel folders: an overlay, its instruction streams, what they need and a self-test, written and read."""

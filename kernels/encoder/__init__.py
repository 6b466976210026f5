"""The encoder overlay: matmul, attention and row ops in one core program, and the streams that run an encoder on it."""

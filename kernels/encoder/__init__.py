"""The encoder overlay: matmul, attention and row ops in one core program, and the sequences that run an encoder."""

"""A design for the AIE2 array as plain data (``program``), and its readers: check, MLIR text, stream, simulation."""

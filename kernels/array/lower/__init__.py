"""A design lowered to MLIR text, and its sequences to instruction streams."""

"""GELU on one core, inlined into the epilogue of a matrix product: header, reference."""

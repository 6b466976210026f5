"""GELU on one core, inlined into the end of a matrix product: C++ header, test kernel, reference."""

"""GELU on a core: what the epilogue of a matrix product inlines."""

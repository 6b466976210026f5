"""AIE2 kernels, one folder each, and the tools to describe, check, simulate and build them."""

"""AIE2 kernels, one folder each, and the command that builds them."""

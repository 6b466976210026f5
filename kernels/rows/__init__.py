"""Row operations for one core: residual add, layer norm, int8 quantisation; kernels, reference, estimate."""

"""Row operations on one core, residual add, layer norm and int8 quantisation: kernels, reference, cycles."""

"""Operations on rows of a matrix on one core (residual add, layer norm, quantisation): kernels, reference, cycles."""

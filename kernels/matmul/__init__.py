"""Matrix products of bf16 or int8 blocks on one core, with bias and GELU: kernels, reference, accuracy, cycles."""

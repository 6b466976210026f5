"""Matrix products of bf16 and int8 blocks on one core, with bias and GELU: kernels, reference, accuracy, cycles."""

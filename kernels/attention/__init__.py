"""Fused attention on one core: kernels, reference, accuracy, cycles."""

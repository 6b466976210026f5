"""Fused attention on one core, whose scores never leave the core: kernels, reference, accuracy, cycles."""

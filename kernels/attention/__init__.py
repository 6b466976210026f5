"""Fused attention for one core: kernels, float64 reference, issue-slot estimate."""

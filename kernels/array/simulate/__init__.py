"""The simulated array: object FIFOs, DMAs, cores and the controller, with host-compiled kernels."""

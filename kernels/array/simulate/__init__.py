"""A simulator of the array: object FIFOs, DMAs, cores and the controller, with kernels compiled for the host."""

"""AIE2 kernels (programs for the cores of AMD's Ryzen AI NPU), and the tools to describe, check and build them."""

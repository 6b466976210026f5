"""Checks of a design against the limits of the hardware and the rules of mlir-aie."""

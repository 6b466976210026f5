"""The compilers for the chip, mlir-aie and Peano: the search for them, their runs, and checks of their results."""

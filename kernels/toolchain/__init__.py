"""The chip's compilers: mlir-aie and Peano are found, run, and their results measured."""

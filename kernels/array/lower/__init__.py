"""The lowering of a design to MLIR text, and of its sequences to instruction streams for the NPU's controller."""

"""The NPU rooms: device discovery today; kernels, mel and encoder stages stand on it."""

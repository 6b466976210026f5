"""The NPU: discovery, access by pyxrt, the mel and encoder stages with their self-tests, and a simulated device."""

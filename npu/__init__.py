"""The NPU: discovery, pyxrt, overlays, the mel and encoder stages on them, their self-tests, a simulated device."""

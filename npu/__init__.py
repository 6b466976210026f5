"""The NPU: discovery, access through XRT's Python module, Whisper's mel and encoder stages, a simulated device."""

"""Benchmarks: this pipeline beside WhisperX's own, memory, load, and the NPU. The server imports nothing from here."""

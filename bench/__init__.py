"""Measurements: this pipeline beside WhisperX's own, and memory over long recordings. Not imported by the server."""

"""The encoder overlay, whose cores run matmul, attention and row ops, and its launches for Whisper's encoders."""

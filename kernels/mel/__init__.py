"""The mel overlay: Whisper's mel energies, from the samples of a window to the host's logarithm."""

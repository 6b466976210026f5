"""The mel overlay, which computes Whisper's mel energies of a window, and the host's steps before and after it."""

"""The parts of audio decoding: containers and their formats, tracks, the time line, and the downmix to mono."""

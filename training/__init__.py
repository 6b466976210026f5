"""A small Whisper from nothing: own sentences, synthetic voices, open recordings, two processor cores."""

"""The division of a recording into windows: reading, speech detection, and a copy of the audio for diarization."""

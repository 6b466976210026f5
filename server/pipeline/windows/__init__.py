"""A recording cut into windows: reading, speech, and the audio that diarization keeps."""

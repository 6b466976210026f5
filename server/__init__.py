"""whisperx-npu: a WhisperX transcription server for AMD Ryzen AI NPUs and plain CPUs."""

__version__ = "0.1.0"

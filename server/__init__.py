"""whisperx-npu: a WhisperX transcription server for AMD Ryzen AI NPUs and plain CPUs.

The program is the command line (``server.cli``, installed as ``whisperx-npu``) and the HTTP interface (``server.api``).
Only ``__version__`` is public as a Python name; docs/architecture.md describes the packages below this one.
"""

__version__ = "0.1.0"

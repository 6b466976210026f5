"""``whisperx-npu doctor``: checks of this machine, and a bundle to send with a report."""

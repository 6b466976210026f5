"""Flite through its C libraries: speech with the times of its phones and words.

The functions are those of flite.h and cst_voice.h (Flite 2.2); Debian installs the libraries with the package flite.
"""

from __future__ import annotations

import ctypes
from itertools import groupby

import numpy as np

from training.recordings import from_int16, resample
from training.sentences import normalise
from training.utterance import Span, Utterance

FUNCTIONS = {
    "flite_synth_text": (ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_void_p]),
    "utt_relation": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
    "relation_head": (ctypes.c_void_p, [ctypes.c_void_p]),
    "item_next": (ctypes.c_void_p, [ctypes.c_void_p]),
    "ffeature_string": (ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_char_p]),
    "ffeature_float": (ctypes.c_float, [ctypes.c_void_p, ctypes.c_char_p]),
    "delete_utterance": (None, [ctypes.c_void_p]),
    "flite_feat_set_float": (None, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float]),
}


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _Voice(ctypes.Structure):
    """The first fields of cst_voice; the others are not used."""

    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


class Flite:
    """The Flite synthesizer with its built-in US English voices: kal, kal16 (diphones), awb, rms, slt (statistical)."""

    def __init__(self, voices: tuple[str, ...] = ("kal16", "awb", "rms", "slt")) -> None:
        self._library = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
        for name in ("usenglish", "cmulex"):
            ctypes.CDLL(f"libflite_{name}.so.1", mode=ctypes.RTLD_GLOBAL)
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._library.utt_wave.restype = ctypes.POINTER(_Wave)
        self._library.utt_wave.argtypes = [ctypes.c_void_p]
        self._library.flite_init()
        self._voices = {name: self._register(name) for name in voices}

    @staticmethod
    def _register(name: str) -> int:
        register = getattr(ctypes.CDLL(f"libflite_cmu_us_{name}.so.1"), f"register_cmu_us_{name}")
        register.restype, register.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
        return int(register(None))

    def speak(self, text: str, voice: str, *, stretch: float = 1.0, pitch: float | None = None) -> Utterance:
        """Speak ``text``; ``stretch`` multiplies durations, ``pitch`` is the mean in Hz (audible in kal and kal16)."""
        handle = self._voices[voice]
        features = _Voice.from_address(handle).features
        self._library.flite_feat_set_float(features, b"duration_stretch", stretch)
        if pitch is not None:
            self._library.flite_feat_set_float(features, b"int_f0_target_mean", pitch)
        utterance = self._library.flite_synth_text(text.encode(), handle)
        if not utterance:
            raise ValueError(f"flite could not speak {text!r}")
        try:
            wave = self._library.utt_wave(utterance).contents
            samples = from_int16(np.ctypeslib.as_array(wave.samples, (wave.num_samples,)))
            segments = self._segments(utterance)
            rate = wave.sample_rate
        finally:
            self._library.delete_utterance(utterance)
        phones = tuple(span for span, _ in segments)
        return Utterance(text, f"flite:{voice}", resample(samples, rate), phones, _words(text, segments))

    def _segments(self, utterance: int) -> list[tuple[Span, tuple[str, float]]]:
        """Return each phone of a Flite utterance with its word: the name, and the end of its first phone in seconds.

        That end distinguishes repeated words.
        """
        segments = []
        item = self._library.relation_head(self._library.utt_relation(utterance, b"Segment"))
        start = 0.0
        while item:
            end = float(self._library.ffeature_float(item, b"end"))
            label = self._library.ffeature_string(item, b"name").decode()
            word = self._library.ffeature_string(item, b"R:SylStructure.parent.parent.name").decode()
            first = float(self._library.ffeature_float(item, b"R:SylStructure.parent.parent.daughter1.daughter1.end"))
            segments.append((Span(label, start, end), (word, first)))
            start = end
            item = self._library.item_next(item)
        return segments


def _words(text: str, segments: list[tuple[Span, tuple[str, float]]]) -> tuple[Span, ...] | None:
    spans = []
    for (word, _), group in groupby(segments, key=lambda segment: segment[1]):
        phones = [phone for phone, _ in group]
        if phones[0].label != "pau":
            spans.append(Span(word, phones[0].start, phones[-1].end))
    spoken, written = [span.label for span in spans], normalise(text).split()
    return tuple(spans) if spoken == written else None

"""eSpeak NG through its C library: speech with the times of its phones and words, in one call.

The interface is that of speak_lib.h (eSpeak NG 1.51); Debian installs the library with the package espeak-ng.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from training.recordings import from_int16, resample
from training.utterance import Span, Utterance

SYNCHRONOUS, PHONEME_EVENTS = 2, 1
EVENT_END, EVENT_WORD, EVENT_PHONEME = 0, 1, 7
RATE, PITCH, RANGE, WORD_GAP = 1, 3, 4, 7

# eSpeak's mnemonics of the English voices, to the phones that both engines share.
MNEMONICS = dict(
    pair.split("=")
    for pair in (
        "n=n t=t _:=pau I=ih s=s _=pau r=r d=d @=ax k=k z=z aI=ay f=f l=l m=m D=dh i:=iy E=eh w=w v=v a=ae eI=ey "
        "u:=uw V=ah 0=aa @2=ax oU=ow p=p b=b I2=ih T=th i=iy h=hh 3=er j=y a#=ax O@=ao g=g o@=ao N=ng 3:=er aU=aw "
        "dZ=jh tS=ch S=sh r-=r i@=ih U=uh A@=aa O2=aa aa=ae t#=t e@=eh @L=l O:=ao t[=t U@=uh A:=aa aI2=ay i@3=ih "
        "I#=ih aI@=ay @5=ax @-=ax VR=er IR=er OI=oy t2=t w#=w Z=zh _|=pau"
    ).split()
)


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """The eSpeak NG synthesizer, at most one per process, because the library keeps voice and parameters in globals."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self._rate: int = self._library.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEME_EVENTS)
        if self._rate <= 0:
            raise OSError("espeak-ng could not start: is the package espeak-ng installed?")
        self._audio: list[bytes] = []
        self._events: list[tuple[int, int, int, str]] = []
        self._callback: Callable[..., Any] = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, wave: int | None, count: int, events: Any) -> int:
        if wave and count > 0:
            self._audio.append(ctypes.string_at(wave, 2 * count))
        index = 0
        while (event := events[index]).type != EVENT_END:
            name = event.id.string.decode(errors="replace") if event.type == EVENT_PHONEME else ""
            self._events.append((event.type, event.sample, event.text_position - 1, name))
            index += 1
        return 0

    def speak(self, text: str, voice: str, *, rate: int = 175, pitch: int = 50, pitch_range: int = 50) -> Utterance:
        """Speak ``text``; ``voice`` is a voice file and a variant ("gmw/en-US+linda"), ``rate`` words per minute.

        Words have times only if eSpeak spoke each on its own; it joins some ("in the"). Raises ValueError for an
        unknown voice.
        """
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice}")
        for parameter, value in ((RATE, rate), (PITCH, pitch), (RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._audio.clear()
        self._events.clear()
        encoded = text.encode()
        self._library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded) + 1), 0, 0, 0, 1, None, None)
        samples = from_int16(np.frombuffer(b"".join(self._audio), np.int16))
        phones = self._phones(len(samples) / self._rate)
        return Utterance(text, f"espeak:{voice}", resample(samples, self._rate), phones, self._words(text, phones))

    def _phones(self, end: float) -> tuple[Span, ...]:
        marks = [(sample / self._rate, MNEMONICS.get(name, "?")) for kind, sample, _, name in self._events
                 if kind == EVENT_PHONEME]  # fmt: skip
        ends = [start for start, _ in marks[1:]] + [end]
        return tuple(Span(label, start, stop) for (start, label), stop in zip(marks, ends, strict=True))

    def _words(self, text: str, phones: tuple[Span, ...]) -> tuple[Span, ...] | None:
        marks = [(sample / self._rate, position) for kind, sample, position, _ in self._events if kind == EVENT_WORD]
        words = text.split()
        begins = np.cumsum([0] + [len(word) + 1 for word in words[:-1]]).tolist()
        if [position for _, position in marks] != begins:
            return None
        spans = []
        for index, (start, _) in enumerate(marks):
            until = marks[index + 1][0] if index + 1 < len(marks) else float("inf")
            sounding = [p for p in phones if start - 1e-6 <= p.start < until and p.label != "pau"]
            if not sounding:
                return None
            spans.append(Span(words[index], sounding[0].start, sounding[-1].end))
        return tuple(spans)

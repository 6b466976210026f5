"""The messages between server and worker, and the pipe that carries them.

A frame is four bytes of length and a pickle. Both ends are this program, and the worker is a child of the server.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from server.engine.contract import Observation, Pull, StageChoice
from server.errors import WhisperXError
from server.settings.stages import StageSettings
from server.transcript import Options, Resume, Segment, StageTime, Transcript

HEADER = struct.Struct(">I")
GAIN = 0.1  # share of a window's time that a larger batch must save: it makes every other request wait for longer

Curve = Mapping[int, float]  # windows in the batch -> ms per window


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements made when a model is loaded: the fastest encoder, and the speed of batches by size.

    ``gain`` is the time of encoder and decoder one after the other, over their time side by side. A process that
    replaces another one gets these values, so that it computes as the first one did.
    """

    implementation: Literal["ctranslate2", "openvino"]
    reason: str
    encoder: Curve
    decoder: Curve
    gain: float

    @property
    def overlap(self) -> bool:
        """True if encoder and decoder run side by side."""
        return 1.0 + GAIN < self.gain <= 2.0  # a value above 2 is the noise of a busy machine


@dataclass(frozen=True, slots=True)
class Load:
    """The first message to a worker: the model to load. Recordings longer than ``max_seconds`` are refused.

    ``npu_retired`` is the reason why the NPU must not be used, ``measured`` what an earlier process of the model
    measured; both are None for the first process.
    """

    model: str
    settings: StageSettings
    max_seconds: float
    npu_retired: str | None = None
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class Submit:
    """A new request, with a number that is never used again.

    ``interactive`` requests go before files. ``resume`` is what an earlier attempt delivered. The windows of a ``solo``
    request share no batch with others.
    """

    request: int
    path: Path
    options: Options
    interactive: bool = False
    resume: Resume = field(default_factory=Resume)
    solo: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """A request that nobody waits for any more."""

    request: int


@dataclass(frozen=True, slots=True)
class Pulling:
    """A model that is not installed is being pulled; ``pull`` is None until the hub has answered."""

    pull: Pull | None = None


@dataclass(frozen=True, slots=True)
class Pulled:
    """The pulled model is installed and is loaded next."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded. ``stages`` are the devices with their reasons, ``notes`` the results of self-tests."""

    measured: Measured
    stages: tuple[StageChoice, ...]
    warm_up: tuple[StageTime, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DevicesChanged:
    """The NPU was retired, so other devices serve the stages from now on."""

    stages: tuple[StageChoice, ...]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life, sent every second."""


@dataclass(frozen=True, slots=True)
class Began:
    """A thread of the worker (``lane``) enters code that could crash or hang, for these requests.

    The number of ``windows``, each of up to 30 s, bounds the time that the code may take.
    """

    lane: str
    stage: str
    windows: int
    requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """The thread of the worker has left that code."""

    lane: str


@dataclass(frozen=True, slots=True)
class Observed:
    """A measurement for the metrics."""

    what: Observation


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line for the server's log; ``level`` is one of the module logging."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class DurationKnown:
    """The length in seconds that the file states, None where it states none."""

    request: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Started:
    """The audio of a request is being read: it no longer waits in the queue."""

    request: int


@dataclass(frozen=True, slots=True)
class WindowDone:
    """The segments of one window, sent in the order of the windows, with what an attempt after this one needs.

    ``end`` is the end of the window and ``total`` the length of the recording, None where it is not known; both in
    seconds.
    """

    request: int
    index: int
    end: float
    total: float | None
    segments: tuple[Segment, ...]
    language: str
    language_probability: float


@dataclass(frozen=True, slots=True)
class Diarizing:
    """The windows are done, and the speakers are being told apart, which takes a while."""

    request: int


@dataclass(frozen=True, slots=True)
class Done:
    """The last message about a request that succeeded."""

    request: int
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Failed:
    """The last message about a request that failed or, without a request, of a worker that cannot load its model."""

    request: int | None
    error: WhisperXError


ToWorker = Load | Submit | Cancel
FromWorker = (
    Pulling | Pulled | Ready | DevicesChanged | Heartbeat | Began | Ended | Observed | LogLine
    | DurationKnown | Started | WindowDone | Diarizing | Done | Failed
)  # fmt: skip


def pack(message: ToWorker | FromWorker) -> bytes:
    """Return the frame of a message."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(data)) + data


def unpack(data: bytes) -> Any:
    """Return the message of a frame's pickle, which is given without the four bytes of length."""
    return pickle.loads(data)  # noqa: S301  the other end is this program


class ServerPipe:
    """The worker's end of the pipe to the server; any thread may send."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._input = connection.makefile("rb")
        self._lock = Lock()

    def send(self, message: FromWorker) -> None:
        """Send a message to the server. Raises OSError when the server is gone."""
        frame = pack(message)
        with self._lock:
            self._connection.sendall(frame)

    def receive(self) -> ToWorker:
        """Wait for the next message of the server. Raises EOFError when the server is gone."""
        header = self._input.read(HEADER.size)
        if len(header) < HEADER.size:
            raise EOFError
        message: ToWorker = unpack(self._input.read(*HEADER.unpack(header)))
        return message

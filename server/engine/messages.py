"""What server and worker say to each other, and the pipe between them.

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
GAIN = 0.1  # a larger batch must save this part of a window's time: it makes everybody else wait for longer

Curve = Mapping[int, float]  # windows in the batch -> ms per window


@dataclass(frozen=True, slots=True)
class Measured:
    """Which encoder was the fastest, and what the stages do with batches; ``gain`` is that of encoder beside decoder.

    A process that takes another's place is given this, so that it computes as the first one did.
    """

    implementation: Literal["ctranslate2", "onnxruntime", "torch"]
    reason: str
    encoder: Curve
    decoder: Curve
    gain: float

    @property
    def overlap(self) -> bool:
        return 1.0 + GAIN < self.gain <= 2.0  # above 2 it is the noise of a busy machine


@dataclass(frozen=True, slots=True)
class Load:
    """The first message to a worker. ``npu_retired`` says why the NPU is not to serve any more.

    ``measured`` is what an earlier process of the model has measured, None where there was none.
    """

    model: str
    settings: StageSettings
    max_seconds: float
    npu_retired: str | None = None
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class Submit:
    """A request, by a number that is never used again. ``solo``: its windows share no batch with others."""

    request: int
    path: Path
    options: Options
    interactive: bool = False
    resume: Resume = field(default_factory=Resume)
    solo: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody waits for this request any more."""

    request: int


@dataclass(frozen=True, slots=True)
class Pulling:
    """The model is not installed and is being pulled; ``pull`` is None until the hub has answered."""

    pull: Pull | None = None


@dataclass(frozen=True, slots=True)
class Pulled:
    """It is installed, and loaded next."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded; ``stages`` say how each stage was chosen, ``notes`` what self-tests found."""

    measured: Measured
    stages: tuple[StageChoice, ...]
    warm_up: tuple[StageTime, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """The devices have changed: the NPU was retired."""

    stages: tuple[StageChoice, ...]


@dataclass(frozen=True, slots=True)
class Beat:
    """Alive."""


@dataclass(frozen=True, slots=True)
class Began:
    """A thread of the worker (``lane``) goes into code that could crash or hang, for these requests.

    ``windows`` of up to 30 s bound the time that it may take.
    """

    lane: str
    stage: str
    windows: int
    requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """The lane came back."""

    lane: str


@dataclass(frozen=True, slots=True)
class Observed:
    """Something was measured."""

    what: Observation


@dataclass(frozen=True, slots=True)
class Said:
    """A line for the server's log."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the file claims to last, in seconds."""

    request: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Opened:
    """The request no longer waits: its audio is being read."""

    request: int


@dataclass(frozen=True, slots=True)
class WindowDone:
    """The segments of one window, in order; what a second attempt needs to go on behind it."""

    request: int
    index: int
    end: float
    total: float | None
    segments: tuple[Segment, ...]
    language: str
    language_probability: float


@dataclass(frozen=True, slots=True)
class Diarizing:
    """All windows are done; speakers are told apart, which takes a while."""

    request: int


@dataclass(frozen=True, slots=True)
class Done:
    """The last of a request that succeeded."""

    request: int
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Failed:
    """The last of a request that failed; with no request, of a worker that cannot load its model."""

    request: int | None
    error: WhisperXError


ToWorker = Load | Submit | Cancel
FromWorker = (
    Pulling | Pulled | Ready | Chosen | Beat | Began | Ended | Observed | Said
    | Known | Opened | WindowDone | Diarizing | Done | Failed
)  # fmt: skip


def pack(message: ToWorker | FromWorker) -> bytes:
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(data)) + data


def unpack(data: bytes) -> Any:
    """The message of a frame, without its length."""
    return pickle.loads(data)  # noqa: S301  the other end is this program


class Channel:
    """The worker's end of the pipe; any thread may send."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._input = connection.makefile("rb")
        self._lock = Lock()

    def send(self, message: FromWorker) -> None:
        frame = pack(message)
        with self._lock:
            self._connection.sendall(frame)

    def receive(self) -> ToWorker:
        """Raises EOFError when the server is gone."""
        header = self._input.read(HEADER.size)
        if len(header) < HEADER.size:
            raise EOFError
        message: ToWorker = unpack(self._input.read(*HEADER.unpack(header)))
        return message

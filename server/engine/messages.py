"""The messages between the HTTP process and a worker process, and the pipe that carries them.

A frame is four bytes of length and a pickle. Both ends are this program, and the worker is a child of the server.
"""

from __future__ import annotations

import pickle
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from server.engine.contract import Observation, Pull
from server.errors import WhisperXError
from server.settings.stages import StageSettings
from server.transcript import Options, Resume, Segment, StageChoice, StageTime, Transcript

HEADER = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Measured:
    """The CPU encoder that was chosen when a model was loaded, and the reason.

    A process that replaces another one gets these values, so that it computes as the first one did.
    """

    implementation: Literal["ctranslate2", "openvino"]
    reason: str


@dataclass(frozen=True, slots=True)
class Load:
    """The first message to a worker process: load a model. Recordings longer than ``max_seconds`` are refused.

    ``npu_retired`` is the reason why the NPU must not be used, ``measured`` the result of an earlier process's
    measurement; both are None for the first process.
    """

    model: str
    settings: StageSettings
    max_seconds: float
    npu_retired: str | None = None
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class Submit:
    """A message to a worker: transcribe a recording. ``request`` is a number that is never used again.

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
    """A message to a worker: drop a request that nobody waits for any more."""

    request: int


@dataclass(frozen=True, slots=True)
class Pulling:
    """A message from a worker: its model is being downloaded; ``pull`` is None until the hub has answered."""

    pull: Pull | None = None


@dataclass(frozen=True, slots=True)
class Pulled:
    """A message from a worker: the download of its model is complete, and the model is loaded next."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A message from a worker: its model is loaded. ``warm_up`` are its first times, ``notes`` self-test results."""

    measured: Measured
    stages: tuple[StageChoice, ...]
    warm_up: tuple[StageTime, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DevicesChanged:
    """A message from a worker: the NPU was retired after a fault, so other devices run the stages from now on."""

    stages: tuple[StageChoice, ...]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A message that a worker sends every second, to show that it is alive."""


@dataclass(frozen=True, slots=True)
class Began:
    """A message from a worker: one of its threads (``lane``) enters code that could crash or hang, for these requests.

    The number of ``windows``, each of up to 30 s of audio, bounds the time that the code may take.
    """

    lane: str
    stage: str
    windows: int
    requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """A message from a worker: the thread ``lane`` has left the code that its latest Began announced."""

    lane: str


@dataclass(frozen=True, slots=True)
class Observed:
    """A message from a worker: a measurement for the metrics."""

    what: Observation


@dataclass(frozen=True, slots=True)
class LogLine:
    """A message from a worker: a line for the server's log; ``level`` is one of the module logging."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class DurationKnown:
    """A message from a worker: the length in seconds that a request's file states, None if it states none."""

    request: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Started:
    """A message from a worker: the audio of a request begins to be read, so its time in the queue ends."""

    request: int


@dataclass(frozen=True, slots=True)
class WindowDone:
    """A message from a worker: the segments of one window, sent in the order of the windows.

    ``end`` is the end of the window and ``total`` the length of the recording, None if that is not known; both in
    seconds. ``languages`` with their probabilities let a further attempt continue without detecting them again, and
    ``lost`` are the stretches of the window's speech that have no text, in seconds.
    """

    request: int
    index: int
    end: float
    total: float | None
    segments: tuple[Segment, ...]
    languages: tuple[tuple[str, float], ...]
    lost: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Diarizing:
    """A message from a worker: all windows of a request are done, and its speakers are being told apart."""

    request: int


@dataclass(frozen=True, slots=True)
class Done:
    """The last message from a worker about a request that succeeded."""

    request: int
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Failed:
    """The last message from a worker about a request that failed; with ``request`` None, its model cannot be loaded."""

    request: int | None
    error: WhisperXError


ToWorker = Load | Submit | Cancel
FromWorker = (
    Pulling | Pulled | Ready | DevicesChanged | Heartbeat | Began | Ended | Observed | LogLine
    | DurationKnown | Started | WindowDone | Diarizing | Done | Failed
)  # fmt: skip


def pack(message: ToWorker | FromWorker) -> bytes:
    """Serialise a message to a frame for the pipe: four bytes of length and a pickle."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(data)) + data


def unpack(data: bytes) -> Any:
    """Return the message in a frame's pickle, which is given without the four bytes of length."""
    return pickle.loads(data)  # noqa: S301  the other end is this program


class ServerPipe:
    """The worker's end of the pipe to the HTTP process; any thread may send, and one may receive."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._input = connection.makefile("rb")
        self._lock = Lock()

    def send(self, message: FromWorker) -> None:
        """Send a message to the HTTP process. Raises OSError if that is gone."""
        frame = pack(message)
        with self._lock:
            self._connection.sendall(frame)

    def receive(self) -> ToWorker:
        """Wait for the next message from the HTTP process, and return it. Raises EOFError if that is gone."""
        header = self._input.read(HEADER.size)
        if len(header) < HEADER.size:
            raise EOFError
        message: ToWorker = unpack(self._input.read(*HEADER.unpack(header)))
        return message

"""Domain errors; server.api.errors maps each to an HTTP status and an OpenAI error code.

WhisperXError
├── InvalidInput            the request is wrong: names the field and the cure
│   ├── UnsupportedMedia    the bytes are not audio that can be decoded
│   └── TooLarge            more bytes or seconds than the configured limit
├── ModelNotFound           no such model here
├── ModelUnavailable        the model is known but cannot be had or loaded now
│   └── HubUnreachable      the Hugging Face Hub cannot be asked for it now
├── Unauthorized            no API key, or one that is not known
├── TooSlow                 the client sends its request too slowly
├── Overloaded              the queue is full: come back later
│   └── KeyBusy             one API key has as many requests under way as it may
├── NotReady                still starting, or stopping
│   └── TooManyConnections  more are open than the server serves
├── StorageFull             no space for the upload
├── Cancelled               the client left
├── TimedOut                the deadline of the request passed
├── EngineFailure           the computation itself failed
└── ConfigurationError      settings that cannot be served; stops start-up
"""

from __future__ import annotations


class WhisperXError(Exception):
    """Base of every error that this project raises on purpose.

    ``param`` names the request field or setting at fault; ``cure`` says what to do about it. Both travel with the
    message, so an error crosses a process boundary (pickle) without loss.
    """

    def __init__(self, message: str, *, param: str | None = None, cure: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message} {self.cure}" if self.cure else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.__dict__))


class InvalidInput(WhisperXError):
    """The request cannot be honoured as it is."""


class UnsupportedMedia(InvalidInput):
    """The upload holds no audio stream that can be decoded."""


class TooLarge(InvalidInput):
    """The upload is over a configured limit."""


class ModelNotFound(WhisperXError):
    """The named model is not known here."""


class ModelUnavailable(WhisperXError):
    """The named model is known, but its files cannot be had or loaded."""


class HubUnreachable(ModelUnavailable):
    """The Hugging Face Hub does not answer, or may not be asked."""


class Unauthorized(WhisperXError):
    """The request shows no API key that is known here."""


class TooSlow(WhisperXError):
    """The body of the request does not arrive in time."""


class Overloaded(WhisperXError):
    """The queue is full.

    ``retry_after`` is in seconds.
    """

    def __init__(self, message: str, *, retry_after: float, param: str | None = None, cure: str | None = None) -> None:
        super().__init__(message, param=param, cure=cure)
        self.retry_after = retry_after


class KeyBusy(Overloaded):
    """The API key has as many requests under way as it may."""


class NotReady(WhisperXError):
    """The server is starting or stopping."""


class TooManyConnections(NotReady):
    """More connections are open than the server serves."""


class StorageFull(WhisperXError):
    """The disk, or the quota, has no space left for what a request sends."""


class Cancelled(WhisperXError):
    """The client left."""


class TimedOut(WhisperXError):
    """The deadline of the request passed before its answer was ready."""


class EngineFailure(WhisperXError):
    """The computation failed; the same request would fail again."""


class ConfigurationError(WhisperXError):
    """A setting is wrong: start-up stops with a message that names it."""


def _rebuild(kind: type[WhisperXError], message: str, state: dict[str, object]) -> WhisperXError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error

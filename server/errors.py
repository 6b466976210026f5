"""Domain errors. ``server.api.errors`` maps each to an HTTP status and an OpenAI error code.

WhisperXError
├── InvalidInput            the request is wrong; the error names the field and the cure
│   ├── UnsupportedMedia    the upload holds no audio that can be decoded
│   └── TooLarge            more bytes or seconds than the configured limit
├── ModelNotFound           no model of this name is known to this server
├── ModelUnavailable        the model is known, but cannot be downloaded or loaded now
│   └── HubUnreachable      no source of the model answers, or none may be used
├── Unauthorized            the request has no API key, or an unknown one
├── TooSlow                 the client sends its request too slowly
├── Overloaded              the queue is full; a later request may succeed
│   └── KeyBusy             one API key has as many concurrent requests as it may
├── NotReady                the server is starting or stopping
│   └── TooManyConnections  more connections are open than the server allows
├── StorageFull             the disk has no space for the upload
├── Cancelled               the client disconnected
├── TimedOut                the deadline of the request passed
├── EngineFailure           the computation itself failed
└── ConfigurationError      a setting is wrong; the server does not start
"""

from __future__ import annotations


class WhisperXError(Exception):
    """The base class of every error that this project raises on purpose.

    ``param`` names the request field or setting at fault, and ``cure`` is a sentence that says how to correct it.
    Pickle keeps all of it, so an error crosses a process boundary without loss.

        raise InvalidInput("temperature is 2.", param="temperature", cure="Send a number from 0 to 1.")
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
    """A field of the request is wrong or missing."""


class UnsupportedMedia(InvalidInput):
    """The upload holds no audio stream that can be decoded."""


class TooLarge(InvalidInput):
    """The upload is over a configured limit."""


class ModelNotFound(WhisperXError):
    """The named model is not known to this server."""


class ModelUnavailable(WhisperXError):
    """The named model is known, but its files cannot be downloaded or loaded."""


class HubUnreachable(ModelUnavailable):
    """No source has the model, and one that may have it does not answer; or a setting forbids the network."""


class Unauthorized(WhisperXError):
    """The request has no API key, or an unknown one."""


class TooSlow(WhisperXError):
    """The body of the request does not arrive in time."""


class Overloaded(WhisperXError):
    """The queue is full. ``retry_after`` is the time in seconds after which there should be room."""

    def __init__(self, message: str, *, retry_after: float, param: str | None = None, cure: str | None = None) -> None:
        super().__init__(message, param=param, cure=cure)
        self.retry_after = retry_after


class KeyBusy(Overloaded):
    """The API key has as many concurrent requests as it may."""


class NotReady(WhisperXError):
    """The server is starting or stopping."""


class TooManyConnections(NotReady):
    """More connections are open than the server allows."""


class StorageFull(WhisperXError):
    """The disk or the quota has no space left for the upload."""


class Cancelled(WhisperXError):
    """The client disconnected."""


class TimedOut(WhisperXError):
    """The deadline of the request passed before its answer was ready."""


class EngineFailure(WhisperXError):
    """The computation failed; the same request would fail again."""


class ConfigurationError(WhisperXError):
    """A setting is wrong; the server does not start, and the message names the setting."""


def _rebuild(kind: type[WhisperXError], message: str, state: dict[str, object]) -> WhisperXError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error

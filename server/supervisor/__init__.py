"""The engine that serves: every model in a process of its own, watched from here."""

from server.supervisor.engine import SupervisedEngine

__all__ = ["SupervisedEngine"]

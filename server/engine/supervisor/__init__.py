"""The engine that serves: every model in a process of its own, watched from here."""

from server.engine.supervisor.engine import SupervisedEngine

__all__ = ["SupervisedEngine"]

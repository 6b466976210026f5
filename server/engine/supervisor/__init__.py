"""The engine that serves: each model in a worker process of its own, which is started, watched and restarted here."""

from server.engine.supervisor.engine import SupervisedEngine

__all__ = ["SupervisedEngine"]

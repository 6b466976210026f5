"""The engine that serves: it runs each model in a worker process, which it starts, watches and restarts."""

from server.engine.supervisor.engine import SupervisedEngine

__all__ = ["SupervisedEngine"]

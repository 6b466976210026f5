"""The process that has one model in memory and transcribes for the server: ``python -m server.engine.worker FD``."""

"""The process that holds one model and transcribes for the server: ``python -m server.engine.worker FD``."""

"""The edge of the HTTP server: connections, and the pure ASGI middleware that a request passes before its route.

``server.api.app`` puts the middleware in order; ``uvicorn_server.Server`` is what ``whisperx-npu serve`` runs.
"""

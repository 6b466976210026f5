"""The engine behind the HTTP server: its contract, the supervisor in the server's process, and the worker processes."""

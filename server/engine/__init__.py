"""The engine behind the HTTP server: its interface, the supervisor in the HTTP process, and the worker processes."""

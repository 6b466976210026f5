"""HTTP: one file per group of endpoints."""

from server.api.app import create_app

__all__ = ["create_app"]

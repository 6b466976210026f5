"""The fixtures that start the server as a command, for the tests of the edge."""

from tests.cli.conftest import cli, environment, short_and_steady

__all__ = ["cli", "environment", "short_and_steady"]

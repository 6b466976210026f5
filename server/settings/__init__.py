"""The settings: their groups, and their reading from file, environment and command line."""

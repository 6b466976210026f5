"""The images and compose files, built and started for real: `make test-containers`."""

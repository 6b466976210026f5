"""Reading a request: the recording goes to a file on disk, the text fields become validated ``Options``."""

"""The stages that turn audio into text, and the Session that runs one request through them."""

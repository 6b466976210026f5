"""The sources of models: the table of known models, the hub, the package registry, and files brought by hand."""

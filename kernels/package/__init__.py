"""The kernel folder, which holds an overlay, its instruction streams, a manifest and a self-test: writer and reader."""

"""Errors of word times on recordings of which word edges are known, by this pipeline and its peers."""

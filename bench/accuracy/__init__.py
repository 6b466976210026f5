"""Word error rates of this pipeline beside its peers, on recordings with exact texts."""

"""Writing an answer: headers, whole transcripts, server-sent events, and the end of work when a client disconnects."""

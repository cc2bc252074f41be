"""Review videos and contact sheets of rendered lines: the exported motion on a head, with sound, without a GPU (extra `[preview]`)."""

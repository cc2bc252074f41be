"""Review videos and contact sheets of rendered lines: the exported motion on a head, with its sound, drawn without a GPU (extra `[preview]`)."""

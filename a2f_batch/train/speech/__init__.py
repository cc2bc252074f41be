"""Synthetic speech with exact phone times: texts, three synthesizers, and the folders that they fill (needs the extra `[speech]`)."""

"""`python -m a2f_batch`: the command line without an installed script."""

from __future__ import annotations

from a2f_batch.cli import main

# The guard matters: worker processes import this module again.
if __name__ == "__main__":
    main(prog_name="a2f-batch")

"""The report of an output folder: pages that open from the disk, where a supervisor sees every line's figures, hears it and watches it.

`make.make_report` writes it; `web/` holds the page, `viewer/` the 3D view, which is built with npm (see `assets`).
"""

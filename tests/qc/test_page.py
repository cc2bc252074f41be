"""docs/qc.md tells the levels and figures that there are."""

from pathlib import Path

from a2f_batch.qc import CHECKS, FIGURES

PAGE = (Path(__file__).parents[2] / "docs/qc.md").read_text(encoding="utf-8")


def test_the_page_has_every_check_with_its_level_ideal_and_weight():
    rows = {cells[1].strip(" `"): [cell.strip() for cell in cells[2:-1]] for line in PAGE.splitlines()
            if line.startswith("| `") and len(cells := line.split("|")) == 8}
    assert set(rows) == set(CHECKS)
    for code, check in CHECKS.items():
        figure, level, ideal, weight, remedy = rows[code]
        assert f"`{check.figure}`" in figure
        assert (level, ideal, weight) == tuple(f"{number:g}" for number in (check.level, check.ideal, check.weight)), code
        assert remedy == check.remedy


def test_the_page_has_every_figure():
    assert not [name for name in FIGURES if f"`{name}`" not in PAGE]

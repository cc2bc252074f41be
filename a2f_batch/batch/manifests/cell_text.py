"""What a spreadsheet shows in a cell: a number in its number format, as the person who typed the manifest sees it."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

_EXCEL_DIGITS = 15  # what Excel keeps of a number
_MAX_DECIMALS = 30

# A number format: text before, digits, text after. Text stands in quotes, behind a backslash, or is one of the signs that need neither.
# '_x' leaves the width of x free, '*x' fills with x. Source: ECMA-376 Part 1, 18.8.31 (numFmts).
_TEXT = r'(?:"[^"]*"|\\.|[-+/() :$€£!^&\'~{}=<>]|_.|\*.)*'
_FORMAT = re.compile(rf"({_TEXT})([#0?,]*[#0?])(?:\.([#0?]+))?(%?)({_TEXT})", re.DOTALL)
_PIECE = re.compile(r'"([^"]*)"|\\(.)|_(.)|\*.|(.)', re.DOTALL)


def number_text(value: int | float, number_format: str) -> str | None:
    """Return `value` as a spreadsheet shows it in a cell wide enough; None where the format is more than digits and text around them.

    Args:
        number_format: as the file has it: 'General', '0000', '"VO_"0000', '#,##0.00', ...
    """
    if number_format in ("General", "@", ""):
        return _general(value)
    section = number_format.split(";")[0] if '"' not in number_format else re.split(r';(?=(?:[^"]*"[^"]*")*[^"]*$)', number_format)[0]
    found = _FORMAT.fullmatch(section)
    if found is None or (value < 0 and section != number_format):
        return None
    before, whole, decimals, percent, after = found.groups()
    digits = _digits(abs(value) * (100 if percent else 1), whole, decimals or "")
    return None if digits is None else f"{'-' * (value < 0)}{_shown(before)}{digits}{percent}{_shown(after)}"


def _general(value: int | float) -> str:
    if isinstance(value, int) or (value.is_integer() and abs(value) < 10 ** _EXCEL_DIGITS):
        return str(int(value))
    return f"{value:.{_EXCEL_DIGITS}g}".replace("e", "E")


def _digits(value: int | float, whole: str, decimals: str) -> str | None:
    if "?" in whole + decimals or whole.endswith(",") or len(decimals) > _MAX_DECIMALS:
        return None
    try:
        rounded = Decimal(_general(value)).quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP)
    except InvalidOperation:
        return None
    left, _, right = f"{rounded:f}".partition(".")
    needed = decimals.rstrip("#")
    kept = right[:len(needed)] + right[len(needed):].rstrip("0")
    left = left.lstrip("0").rjust(whole.count("0"), "0")
    if "," in whole:
        left = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", ",", left)
    return f"{left}.{kept}" if decimals else left


def _shown(text: str) -> str:
    return "".join(quoted or escaped or (" " if space else "") or plain or "" for quoted, escaped, space, plain in _PIECE.findall(text))

"""The text of a manifest's bytes: UTF-8 or UTF-16, with a mark or without, or the encoding that the user names."""

from __future__ import annotations

import codecs
from pathlib import Path

from a2f_batch.errors import ManifestError

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),  # before UTF-16: same start
          (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

_SAVE = "Save it as UTF-8 (in Excel: 'CSV UTF-8'), or name its encoding, such as --encoding cp1252 (Western Europe), cp1251 (Cyrillic) " \
        "or cp932 (Japanese)."
_ANOTHER = "Save it as UTF-8, or name another with --encoding."


def read_bytes(path: Path) -> bytes:
    """Return the content of the manifest at `path`.

    Raises:
        ManifestError: it can't be read (code 'manifest-unreadable').
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> ManifestError:
    """Return the error for a manifest that the system does not give."""
    reason = error.strerror or error if isinstance(error, OSError) else error
    return ManifestError(f"Can't read the manifest '{path}': {reason}.", "Check the path and who may read it.", code="manifest-unreadable")


def read_text(path: Path, encoding: str | None = None) -> str:
    """Return the text of the manifest at `path`, without a byte-order mark.

    A file with a byte-order mark is what the mark says. Without one it is UTF-16 if its first two letters are, and else UTF-8: a code page
    can't be told from its bytes, so none is guessed.

    Args:
        encoding: Python's name of the encoding, from a user who knows; None to look.

    Raises:
        ManifestError: it can't be read (code 'manifest-unreadable') or is not in its encoding, or there is none of that name
            ('manifest-encoding').
    """
    if encoding is not None:
        _known(encoding)
    content = read_bytes(path)
    mark, found = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", _guess(content)))
    name = encoding or found
    body = content if encoding else content[len(mark):]
    try:
        return body.decode(name).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        number = body[:error.start].decode(name, "replace").count("\n") + 1
        shown = body[error.start:error.end].hex(" ").upper()
        what = "UTF-8" if name == "utf-8" else f"'{name}'"
        raise ManifestError(f"Manifest '{path}' line {number} is not {what} text (byte {shown}).",
                            _SAVE if name == "utf-8" else _ANOTHER, code="manifest-encoding") from None
    except UnicodeError as error:
        raise ManifestError(f"Manifest '{path}' is not '{name}' text: {error}.", _ANOTHER, code="manifest-encoding") from None


def _guess(content: bytes) -> str:
    # The two letters that a header or an object begins with are ASCII: in UTF-16 a byte and a zero each, in UTF-8 no zero at all.
    zeros = [byte == 0 for byte in content[:4]]
    if zeros == [False, True, False, True]:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False, True, False] else "utf-8"


def _known(encoding: str) -> None:
    try:
        "".encode(encoding)  # refuses Python's byte-to-byte codecs too
    except (LookupError, ValueError):
        raise ManifestError(f"There is no text encoding '{encoding}'.", "Give one that Python knows: utf-8, utf-16, cp1252, cp932 ...",
                            code="manifest-encoding") from None

"""What XML of a manifest may not begin with: a document type, which is where entities are declared that blow up a parser."""

from __future__ import annotations

from typing import IO
from xml.parsers import expat

_CHUNK = 1 << 16


class DoctypeError(ValueError):
    """The XML has a document type."""


class _Begun(Exception):  # noqa: N818 - it is no error: the first element is reached
    pass


def refuse_doctype(parser: expat.XMLParserType) -> None:
    """Make `parser` raise `DoctypeError` at a document type: without one no entity can be declared, neither nested nor external."""

    def refuse(*_: object) -> None:
        raise DoctypeError("it has a document type (<!DOCTYPE>)")

    parser.StartDoctypeDeclHandler = refuse


def check_prolog(stream: IO[bytes]) -> None:
    """Read `stream` up to its first element.

    Raises:
        DoctypeError: a document type stands before it.
        ExpatError: it is no XML.
    """
    parser = expat.ParserCreate()
    refuse_doctype(parser)

    def begun(*_: object) -> None:
        raise _Begun

    parser.StartElementHandler = begun
    try:
        while chunk := stream.read(_CHUNK):
            parser.Parse(chunk)
        parser.Parse(b"", True)
    except _Begun:
        pass

r"""Wwise's External Sources List (.wsources): the sound files of a game's dialogue, as XML.

Source: Audiokinetic, Wwise SDK, "Integrating External Sources": <ExternalSourcesList SchemaVersion="1" Root="..."> of
<Source Path="..." Conversion="..." Destination="..." AnalysisTypes="..."/>. Path is relative to Root; Root may be left out or relative,
and starts at the project's folder then; Destination names the converted file, whose ending is '.wem' whatever is written.
"""

from __future__ import annotations

from pathlib import Path, PureWindowsPath
from xml.parsers import expat

from a2f_batch.batch.manifests.columns import Columns, manifest_name
from a2f_batch.batch.manifests.pattern import PathPattern
from a2f_batch.batch.manifests.row import Reading, Row, malformed
from a2f_batch.batch.manifests.text import read_bytes
from a2f_batch.batch.manifests.xml_prolog import DoctypeError, refuse_doctype
from a2f_batch.errors import ManifestError

_LIST, _SOURCE, _VERSION = "ExternalSourcesList", "Source", "1"


def read(path: Path, columns: Columns, *, pattern: str | None = None, own_root: bool = False) -> Reading:
    """Return a row for every source of the list at `path`.

    A line is called as its Destination, or else its Path, without folder and ending, unless the pattern finds an id.

    Args:
        columns: for their defaults: the list knows neither locale nor character.
        pattern: what a Path says of its line; see `pattern.PathPattern`.
        own_root: the user has said where the sounds are (--audio-root): Root is not looked at.

    Raises:
        ManifestError: see `a2f_batch.batch.manifest.read_manifest`.
    """
    wanted = PathPattern(pattern) if pattern is not None else None
    columns.require(manifest_name(path), {"id", "audio", *(wanted.names if wanted else ())},
                    "A list of Wwise's does not say it: give one value for all lines, such as --default locale=de, or what the folders of "
                    "its paths mean, such as --pattern '{locale}/{character}/{id}.wav'.")
    document = _Document(path)
    root = "" if own_root else _relative_root(path, document.root)
    rows = []
    for number, (line, source) in enumerate(document.sources, 1):
        place = f"line {line}"
        given = source.pop("Path", "").replace("\\", "/")
        extra = {name.lower(): value for name, value in source.items()}
        cells = {"audio": root + given if given else "", "id": PureWindowsPath(source.get("Destination") or given).stem, **extra}
        found = wanted.match(given.removeprefix("./")) if wanted else {}
        if found is None:
            rows.append(Row(number, cells, f"the path '{given}' does not match the pattern '{pattern}'.", place,
                            "Correct the path, or give another --pattern.", "pattern-mismatch"))
        else:
            rows.append(Row(number, columns.fill({**cells, **found}), place=place))
    return Reading(rows)


def _relative_root(path: Path, root: str) -> str:
    root = root.replace("\\", "/")
    if root.startswith("/") or root[1:2] == ":":
        raise ManifestError(f"{manifest_name(path)} has its sounds at '{root}', a path of another place.",
                            "Say where that folder is here, with --audio-root.", code="audio-root")
    return root.rstrip("/") + "/" if root else ""


class _Document:
    """The list's Root, and its sources with their line numbers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._depth = 0
        self.root = ""
        self.sources: list[tuple[int, dict[str, str]]] = []
        content = read_bytes(path)
        self._parser = expat.ParserCreate()
        refuse_doctype(self._parser)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        try:
            self._parser.Parse(content, True)
        except DoctypeError as error:
            raise self._wrong(f"is refused: {error}.", "Remove it: a list of Wwise's has none.") from None
        except expat.ExpatError as error:
            raise malformed(path, f"line {error.lineno}", f"is no valid XML: {expat.errors.messages[error.code]}.",
                            "Export the list again, or correct it.") from None
        except (LookupError, ValueError) as error:
            raise self._wrong(f"is no valid XML: {error}.", "Save it as UTF-8.") from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            if name != _LIST:
                raise self._wrong(f"is no list of external sources: it begins with <{name}>.", f"It has to begin with <{_LIST}>.")
            version = attributes.get("SchemaVersion", _VERSION)
            if version != _VERSION:
                raise self._wrong(f"is of the unknown version {version}.", f"Versions that are read: {_VERSION}.")
            self.root = attributes.get("Root", "")
        elif self._depth == 2 and name == _SOURCE:
            self.sources.append((self._parser.CurrentLineNumber, attributes))
        else:
            raise self._wrong(f"has <{name}> where it does not belong.", f"A list has nothing but <{_SOURCE}> elements.")

    def _end(self, name: str) -> None:
        self._depth -= 1

    def _wrong(self, problem: str, remedy: str) -> ManifestError:
        return malformed(self._path, f"line {self._parser.CurrentLineNumber}", problem, remedy)

"""A user's character read from a .glb, .vrm or .gltf: its document as it is, its buffer, and the meshes that have named morph targets."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

from a2f_batch.errors import ExportError
from a2f_batch.rig.matching import Bind, Match, UserMap, load_user_map, match_meshes

Json = dict[str, Any]

_JSON, _BIN = 0x4E4F534A, 0x004E4942


@dataclass(frozen=True)
class MorphNode:
    """A node whose mesh has morph targets.

    Attributes:
        node: its index in the document.
        name: its own or its mesh's name.
        targets: the mesh's target names, in order; they may repeat.
        rest: weights of the character at rest, one a target.
    """

    node: int
    name: str
    targets: tuple[str, ...]
    rest: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Character:
    """A glTF file in memory.

    Attributes:
        path: where it was read.
        document: the JSON, its buffer 0 without address: `content` is that buffer. Not to be changed.
        content: buffer 0's bytes, as the file has them; behind them, images that were files of their own.
        chunks: (type, bytes) of a .glb's further chunks, which are somebody's extension.
        nodes: the nodes with named morph targets, in the document's order.
        expressions: VRM expression name -> (index into nodes, target, gain) of each target that it binds.
        beside: files that were taken in, with their time and size.
    """

    path: Path
    document: Json
    content: bytes
    chunks: tuple[tuple[int, bytes], ...]
    nodes: tuple[MorphNode, ...]
    expressions: Mapping[str, tuple[Bind, ...]] = field(default_factory=dict)
    beside: tuple[tuple[Path, tuple[int, int]], ...] = ()

    def match(self, channels: Sequence[str], user_map: UserMap | str | Path | None = None) -> tuple[Match, tuple[Match, ...]]:
        """Return which channels drive which targets: over all, for people and reports, and on each of `nodes`, in order.

        Args:
            user_map: channel -> target or {target: gain}, or the path of a map file.

        Raises:
            ExportError: nothing matches (code 'nothing-matched'), or the map is wrong ('map-unreadable', 'map-channel', 'map-target').
        """
        chosen = load_user_map(Path(user_map)) if isinstance(user_map, str | Path) else user_map
        return match_meshes(channels, [node.targets for node in self.nodes], user_map=chosen, expressions=self.expressions)


def read_character(path: str | Path) -> Character:
    """Read a character. Buffers and images in files beside it are taken in, so that a copy stands alone.

    Target names are a mesh's `extras.targetNames`, or its primitives' (as VRM 0.x has them).

    Raises:
        ExportError: the file is missing (code 'character-unreadable'), not well-formed glTF 2.0 or cut ('character-format'), refers to
            a file outside its folder ('character-reference'), or has no named morph target ('character-without-targets').

    Source: glTF 2.0 specification, sections 3.6, 3.7.2 and 4 (GLB); VRM 0.x blendShapeMaster and VRMC_vrm-1.0 expressions.
    """
    path = Path(path)
    try:
        character = _read(path.resolve(), _stamp(path))
        if any(_stamp(file) != stamp for file, stamp in character.beside):
            _read.cache_clear()
            character = _read(path.resolve(), _stamp(path))
        return character
    except OSError as error:
        raise ExportError(f"Can't read the character '{path}': {error.strerror or error}.", "Give the path of a .glb, .vrm or .gltf file.",
                          code="character-unreadable") from None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, struct.error) as error:
        # The document is somebody else's: any key may be missing, of another type, or point outside.
        raise ExportError(f"Can't read the character '{path}': not well-formed glTF 2.0 ({_short(error)}).",
                          "Export it again; the Khronos glTF validator names the fault.", code="character-format") from None


@lru_cache(maxsize=4)
def _read(path: Path, stamp: tuple[int, int]) -> Character:
    # Keyed by the file's time and size: a batch puts many lines on one character.
    raw = path.read_bytes()
    document, content, chunks = _glb(raw) if raw[:4] == b"glTF" else (_parsed(raw), None, ())
    if str(document["asset"]["version"]).split(".")[0] != "2":
        raise ValueError(f"version {document['asset']['version']}")
    for key in ("accessors", "bufferViews", "animations"):  # what a take is appended to
        _objects(document, key)
    files = _Beside(path)
    document, content = _self_contained(document, content, files, images_inside=raw[:4] == b"glTF")
    nodes = _morph_nodes(document)
    if not nodes:
        raise ExportError(f"The character '{path}' has no mesh with named morph targets.",
                          "Export it with its shape keys; glTF names them in mesh.extras.targetNames.", code="character-without-targets")
    return Character(path, document, content, chunks, nodes, _expressions(document, nodes), tuple(files.stamps.items()))


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _glb(raw: bytes) -> tuple[Json, bytes | None, tuple[tuple[int, bytes], ...]]:
    _, version, length = struct.unpack_from("<4sII", raw)
    if version != 2:
        raise ValueError(f"GLB version {version}")
    if length != len(raw):
        raise ValueError(f"it has {len(raw)} bytes where its header says {length}")
    chunks, at = [], 12
    while at < length:
        size, kind = struct.unpack_from("<II", raw, at)
        if size > length - at - 8:
            raise ValueError(f"a chunk of {size} bytes does not fit")
        chunks.append((kind, raw[at + 8:at + 8 + size]))
        at += 8 + size
    if not chunks or chunks[0][0] != _JSON:
        raise ValueError("the first chunk is not JSON")
    has_bin = len(chunks) > 1 and chunks[1][0] == _BIN
    return _parsed(chunks[0][1]), chunks[1][1] if has_bin else None, tuple(chunks[2 if has_bin else 1:])


def _parsed(text: bytes) -> Json:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    def finite(number: str) -> float:
        return float(number) if math.isfinite(float(number)) else refuse(number[:40])

    document = json.loads(text.decode("utf-8-sig"), parse_constant=refuse, parse_float=finite)
    if not isinstance(document, dict):
        raise TypeError("the document is not an object")
    return document


@dataclass
class _Beside:
    """What a character's addresses hold, and which files beside it were opened for that."""

    path: Path
    stamps: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def fetched(self, uri: str) -> bytes:
        """Return what a data: address holds, or a file beside the character; never one elsewhere: the output would carry it away."""
        if uri.startswith("data:"):
            head, _, body = uri.partition(",")
            if not head.endswith(";base64"):
                raise ValueError("a data: address that is not base64")
            return base64.b64decode(body, validate=True)
        name = unquote(uri)
        folder = self.path.parent.resolve()
        file = (folder / name).resolve() if not set(name) & set(":\\\0") else folder.parent
        if not file.is_relative_to(folder):
            raise ExportError(f"The character '{self.path}' refers to '{uri[:200]}', which is not a file in its folder.",
                              "Save it as .glb, with everything inside.", code="character-reference")
        try:
            self.stamps[file] = _stamp(file)
            return file.read_bytes()
        except OSError as error:
            raise ExportError(f"The character '{self.path}' refers to '{name[:200]}': {error.strerror or error}.",
                              "Put that file beside the character, or save the character as .glb.", code="character-reference") from None


def _self_contained(document: Json, content: bytes | None, files: _Beside, *, images_inside: bool) -> tuple[Json, bytes]:
    """Return the document with nothing outside the file, and buffer 0, which loses its address: it becomes the BIN chunk.

    Images go behind buffer 0's bytes, as a .glb has them; with `images_inside` only those of files, for data: addresses already are.
    Further buffers become data: addresses: their numbers may stand in extensions.
    """
    buffers, images, views = (_objects(document, key) for key in ("buffers", "images", "bufferViews"))
    for index, buffer in enumerate(buffers):
        if index == 0:
            content = files.fetched(buffer["uri"]) if "uri" in buffer else content
            if content is None or len(content) < natural(buffer["byteLength"]):
                raise ValueError(f"buffer 0 has {len(content or b'')} of its {buffer['byteLength']} bytes")
            buffers[0] = {key: value for key, value in buffer.items() if key != "uri"}
        elif "uri" in buffer and not buffer["uri"].startswith("data:"):
            data = base64.b64encode(files.fetched(buffer["uri"])).decode("ascii")
            buffers[index] = {**buffer, "uri": f"data:application/octet-stream;base64,{data}"}
    whole = bytearray(content or b"")
    for index, image in enumerate(images):
        if "uri" not in image or (images_inside and image["uri"].startswith("data:")):
            continue
        picture = files.fetched(image["uri"])
        whole += bytes(-len(whole) % 4)
        views.append({"buffer": 0, "byteOffset": len(whole), "byteLength": len(picture)})
        whole += picture
        kept = {key: value for key, value in image.items() if key != "uri"}
        images[index] = {**kept, "bufferView": len(views) - 1, "mimeType": image.get("mimeType") or _media_type(image["uri"], picture)}
    if len(whole) > len(content or b""):
        buffers[:1] = [{**(buffers[0] if buffers else {}), "byteLength": len(whole)}]
    lists = {"buffers": buffers, "images": images, "bufferViews": views}
    return {**document, **{key: objects for key, objects in lists.items() if objects}}, bytes(whole)


def _media_type(uri: str, picture: bytes) -> str:
    for start, kind in ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"), (b"\xabKTX 20", "image/ktx2")):
        if picture.startswith(start):
            return kind
    raise ValueError(f"the image '{uri[:80]}' is no PNG, JPEG, WebP or KTX 2")


def _morph_nodes(document: Json) -> tuple[MorphNode, ...]:
    meshes = _objects(document, "meshes")
    found = []
    for index, node in enumerate(_objects(document, "nodes")):
        if "mesh" not in node:
            continue
        mesh = meshes[natural(node["mesh"])]
        counts = {len(primitive.get("targets", ())) for primitive in mesh["primitives"]}
        names = _target_names(mesh)
        if counts == {0} or names is None:
            continue
        if counts != {len(names)}:
            raise ValueError(f"the mesh '{mesh.get('name')}' names {len(names)} targets and has {sorted(counts)}")
        rest = node.get("weights", mesh.get("weights", [0.0] * len(names)))
        if not isinstance(rest, list) or len(rest) != len(names):
            raise ValueError(f"the weights of the mesh '{mesh.get('name')}' are not one for each of {len(names)} targets")
        found.append(MorphNode(index, str(node.get("name") or mesh.get("name") or f"node {index}"), names, tuple(float(w) for w in rest)))
    return tuple(found)


def _target_names(mesh: Json) -> tuple[str, ...] | None:
    for owner in (mesh, *mesh["primitives"]):
        extras = owner.get("extras")
        names = extras.get("targetNames") if isinstance(extras, dict) else None
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
    return None


def _expressions(document: Json, nodes: tuple[MorphNode, ...]) -> dict[str, tuple[Bind, ...]]:
    """Return what VRM's expressions bind: version 1.0 by node and weights of 0..1, version 0.x by mesh and weights of 0..100."""
    extensions = document.get("extensions", {})
    found: dict[str, list[Bind]] = {}

    def bind(name: str, here: list[int], target: int, gain: float) -> None:
        for index in here:
            if not 0 <= target < len(nodes[index].targets):
                raise IndexError(f"the expression '{name}' binds target {target}")
            found.setdefault(name, []).append((index, nodes[index].targets[target], gain))

    groups = extensions.get("VRMC_vrm", {}).get("expressions", {})
    for name, expression in {**groups.get("custom", {}), **groups.get("preset", {})}.items():
        for one in expression.get("morphTargetBinds", ()):
            bind(name, [i for i, node in enumerate(nodes) if node.node == one["node"]], natural(one["index"]), float(one.get("weight", 1)))
    for group in extensions.get("VRM", {}).get("blendShapeMaster", {}).get("blendShapeGroups", ()):
        preset = group.get("presetName", "unknown")
        for one in group.get("binds", ()):
            here = [i for i, node in enumerate(nodes) if document["nodes"][node.node]["mesh"] == one["mesh"]]
            bind(str(group.get("name") if preset == "unknown" else preset), here, natural(one["index"]), float(one["weight"]) / 100)
    return {name: tuple(binds) for name, binds in found.items()}


def _objects(document: Json, key: str) -> list[Json]:
    objects = document.get(key, [])
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise TypeError(f"'{key}' is not a list of objects")
    return list(objects)


def natural(value: object) -> int:
    """Return `value`, an index or a length of a document; ValueError if it is none: Python would take -1 for the last, and True for 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} where an index or a length is meant")
    return value


def _short(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= 200 else text[:200] + "..."

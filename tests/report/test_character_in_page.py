"""Somebody's own character in the report's 3D view: the line's file, rendered with `--character`, talks in Chromium."""

import numpy as np
import pygltflib
import pytest
from page_fixtures import changed, open_line, open_page, picture, seek
from report_fixtures import curves, line, render

from tests.batch.batch_fixtures import ROOT, manifest

NAME = "en-US/ogre/one"
GREEN = (0.0, 0.35, 0.05)


@pytest.fixture()
def ogre(demo, tmp_path):
    """A character of another tool: green, its targets spelled another way, wider than ours, and nothing animated."""
    source = pygltflib.GLTF2().load(str(demo / "en-US/guard/gate_halt.glb"))
    source.asset.generator, source.animations = "another tool", []
    for mesh in source.meshes:
        for i, name in enumerate((mesh.extras or {}).get("targetNames", ())):
            mesh.extras["targetNames"][i] = name[0].upper() + name[1:]
    skin, = (material for material in source.materials if material.name == "skin")
    skin.pbrMetallicRoughness.baseColorFactor = [*GREEN, 1.0]
    source.nodes[source.scenes[0].nodes[0]].scale = [1.3, 1.0, 1.0]
    source.save_binary(str(tmp_path / "ogre.glb"))
    return tmp_path / "ogre.glb"


def test_the_mouth_of_a_users_own_character_moves(chromium, demo, ogre, tmp_path):
    drop = manifest(tmp_path / "drop.csv", [{"id": "one", "audio": "gate_halt.en-US.wav", "locale": "en-US", "character": "ogre"}])
    done = render(drop, tmp_path / "out", "--audio-root", ROOT / "manifests/audio", "--formats", "glb", "--character", ogre)
    assert done.returncode == 0, done.stderr
    told = line(tmp_path / "out", NAME)
    assert told["head"] != line(demo, "en-US/guard/gate_halt")["head"]
    jaw, fps = curves(told)["JawOpen"], told["animation"]["fps"]
    open_page(chromium, tmp_path / "out")
    open_line(chromium, NAME)
    seek(chromium, (int(jaw.argmax()) + 0.5) / fps)
    opened = picture(chromium)
    seek(chromium, (int(jaw.argmin()) + 0.5) / fps)
    closed = picture(chromium)
    red, green, blue = np.moveaxis(closed, 2, 0)
    assert np.mean((green > 1.5 * red) & (green > 1.5 * blue)) > 0.1  # it is the green one that is seen
    rows, columns = changed(opened, closed)
    height, width, _ = closed.shape
    assert len(rows) > 150, "the mouth stands still"
    assert 0.5 < np.median(rows) / height < 0.95 and 0.3 < np.median(columns) / width < 0.7
    assert chromium.messages() == []

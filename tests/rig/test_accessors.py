"""Accessors of a character's document: read as glTF means them, or refused."""

import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2f_batch import ExportError
from a2f_batch.rig.accessors import accessor_array
from a2f_batch.rig.character import Character, natural
from a2f_batch.rig.map_file import read_map

TYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def character(accessors, views, content, **more):
    return Character("guard.glb", {"accessors": accessors, "bufferViews": views, "buffers": [{"byteLength": len(content)}], **more},
                     content, (), ())


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(TYPES)), st.sampled_from(sorted(WIDTHS)), st.integers(1, 9), st.integers(0, 3), st.integers(0, 3),
       st.integers(0, 2**32 - 1))
def test_elements_are_read_from_their_place_in_a_strided_view(component, kind, count, gap, offset, seed):
    rng, dtype, width = np.random.default_rng(seed), np.dtype(TYPES[component]).newbyteorder("<"), WIDTHS[kind]
    values = rng.integers(0, 120, (count, width)).astype(dtype)
    stride = width * dtype.itemsize + 4 * gap
    rows = rng.integers(0, 256, (count, stride)).astype(np.uint8)
    rows[:, :width * dtype.itemsize] = values.view(np.uint8).reshape(count, -1)
    before = rng.bytes(8)
    content = before + bytes(4 * offset) + rows.tobytes()
    view = {"buffer": 0, "byteOffset": 8, "byteLength": len(content) - 8, **({"byteStride": stride} if gap else {})}
    described = {"bufferView": 0, "byteOffset": 4 * offset, "componentType": component, "count": count, "type": kind}
    found = accessor_array(character([described], [view], content), 0, count)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


def test_a_sparse_accessor_changes_some_elements_of_zeros_or_of_its_view():
    base, places, over = np.arange(12, dtype="<f4"), np.array([0, 3], "<u2"), np.array([[7, 8, 9], [-1, -2, -3]], "<f4")
    content = base.tobytes() + places.tobytes() + over.tobytes()
    views = [{"buffer": 0, "byteLength": 48}, {"buffer": 0, "byteOffset": 48, "byteLength": 4},
             {"buffer": 0, "byteOffset": 52, "byteLength": 24}]
    sparse = {"count": 2, "indices": {"bufferView": 1, "componentType": 5123}, "values": {"bufferView": 2}}
    common = {"componentType": 5126, "count": 4, "type": "VEC3", "sparse": sparse}
    guard = character([common, {**common, "bufferView": 0}], views, content)
    for index, rest in ((0, np.zeros((4, 3))), (1, base.reshape(4, 3).copy())):
        rest[[0, 3]] = over
        np.testing.assert_array_equal(accessor_array(guard, index), rest)
    assert bytes(guard.content[:48]) == base.tobytes()


@pytest.mark.parametrize(("component", "stored", "meant"), [
    (5120, [-128, -127, 0, 127], [-1, -1, 0, 1]), (5121, [0, 51, 255], [0, 0.2, 1]), (5122, [-32768, 32767], [-1, 1]),
    (5123, [0, 65535, 13107], [0, 1, 0.2])])
def test_normalised_integers_are_fractions(component, stored, meant):
    content = np.array(stored, TYPES[component]).tobytes()
    described = {"bufferView": 0, "componentType": component, "count": len(stored), "type": "SCALAR", "normalized": True}
    found = accessor_array(character([described], [{"buffer": 0, "byteLength": len(content)}], content), 0)
    np.testing.assert_allclose(found[:, 0], meant, rtol=0, atol=1e-7)


def test_a_buffer_that_is_a_data_address_is_read_too():
    values = np.array([1.5, -2], "<f4")
    uri = "data:application/octet-stream;base64," + base64.b64encode(values.tobytes()).decode()
    guard = character([{"bufferView": 0, "componentType": 5126, "count": 2, "type": "SCALAR"}], [{"buffer": 1, "byteLength": 8}], b"",
                      buffers=[{"byteLength": 0}, {"byteLength": 8, "uri": uri}])
    np.testing.assert_array_equal(accessor_array(guard, 0)[:, 0], values)


GOOD = {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"}


@pytest.mark.parametrize(("accessor", "view"), [
    ({"count": 5}, {}), ({"count": 10**15}, {}), ({"count": -1}, {}), ({"count": True}, {}), ({"componentType": 5124}, {}),
    ({"type": "MAT9"}, {}), ({"bufferView": 7}, {}), ({"bufferView": -1}, {}), ({"byteOffset": 4}, {}), ({"byteOffset": -4}, {}),
    ({}, {"byteOffset": 4}), ({}, {"buffer": 3}), ({}, {"byteStride": 10**12}), ({"count": 1000}, {"byteLength": 10**9})])
def test_what_is_out_of_place_is_refused(accessor, view):
    with pytest.raises(ExportError) as caught:
        accessor_array(character([{**GOOD, **accessor}], [{"buffer": 0, "byteLength": 48, **view}], bytes(48)), 0)
    assert caught.value.code == "character-format" and "accessor 0" in caught.value.problem


def test_packed_bytes_and_another_count_than_asked_for_are_refused():
    view = {"buffer": 0, "byteLength": 48}
    with pytest.raises(ExportError) as caught:
        accessor_array(character([GOOD], [{**view, "extensions": {"EXT_meshopt_compression": {}}}], bytes(48)), 0)
    assert caught.value.code == "character-packed"
    with pytest.raises(ExportError, match="4 elements, not 3"):
        accessor_array(character([GOOD], [view], bytes(48)), 0, 3)


@pytest.mark.parametrize("value", [-1, 1.0, True, None, "1"])
def test_an_index_is_a_whole_number_from_0(value):
    with pytest.raises(ValueError):
        natural(value)


def test_a_map_that_windows_saved_is_read(tmp_path):
    for name, text in (("m.toml", 'jawOpen = "Mund"\r\n'), ("m.json", json.dumps({"jawOpen": "Mund"}))):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert read_map(tmp_path / name, "") == {"jawOpen": "Mund"}

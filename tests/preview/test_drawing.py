"""Heads as previews draw them: the right shape, in the right place, in front of what is behind it."""

import numpy as np
import pytest

from a2f_batch.preview.actor import Camera, actor_of
from a2f_batch.preview.raster import Raster
from a2f_batch.rig.head import default_head
from a2f_batch.rig.mesh import Material, Mesh, Part

BLUE = np.full((80, 100, 3), (0, 0, 200), np.uint8)
FACING = np.tile(np.array([[0, 0, 1]], np.float32), (6, 1))


def drawn(points, triangles, colors, *, both_sides=False):
    points = np.array(points, np.float32)
    colors = np.array([colors[i // 3] for i in range(len(points))], np.float32)
    gloss = np.array([[0.0, 2]] * len(triangles), np.float32)
    return Raster(100, 80, BLUE).draw(points, FACING[:len(points)], np.array(triangles, np.int32),
                                      np.arange(len(triangles), dtype=np.int32), colors, gloss, 10.0, both_sides=both_sides).copy()


def test_a_triangle_covers_what_it_covers_and_its_back_nothing():
    corners = [(10, 70, 1), (90, 70, 1), (10, 5, 1)]
    picture = drawn(corners, [(0, 1, 2)], [(0.5, 0.4, 0.3)])
    covered = 1 - (picture[:, :, 2] == 200).mean()
    assert covered == pytest.approx(80 * 65 / 2 / 8000, abs=0.012)  # edge pixels are part of it in part
    assert (picture[60, 20] != BLUE[0, 0]).all() and (picture[20, 80] == BLUE[0, 0]).all()
    assert (drawn(corners, [(0, 2, 1)], [(0.5, 0.4, 0.3)]) == BLUE).all()
    assert (drawn(corners, [(0, 2, 1)], [(0.5, 0.4, 0.3)], both_sides=True) == picture).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_is_nearer_hides_what_is_farther_in_any_order(order):
    far, near = [(0, 80, 0.5), (100, 80, 0.5), (0, 0, 0.5)], [(0, 80, 1.0), (50, 80, 1.0), (0, 40, 1.0)]
    red, green = (0.8, 0.0, 0.0), (0.0, 0.8, 0.0)
    pair = [(far, red), (near, green)]
    picture = drawn([*pair[order[0]][0], *pair[order[1]][0]], [(0, 1, 2), (3, 4, 5)], [pair[i][1] for i in order])
    assert picture[75, 5, 1] > 100 > picture[75, 5, 0] and picture[75, 70, 0] > 100 > picture[75, 70, 1]


def test_a_pose_is_rest_plus_the_sum_of_weighted_targets_of_every_part():
    head = default_head()
    weights = np.random.default_rng(7).uniform(-0.2, 1, len(head.targets)).astype(np.float32)
    vertices, _ = actor_of((head,), (head.targets,)).posed(weights)
    expected = []
    for part in head.parts:
        moved = part.vertices.astype(np.float64).copy()
        for name, weight in zip(head.targets, weights, strict=True):
            if name in part.morphs:
                np.add.at(moved, part.morphs[name].indices, float(weight) * part.morphs[name].offsets)
        expected.append(moved)
    np.testing.assert_allclose(vertices, np.concatenate(expected), atol=2e-7)  # metres; float32 sums


def test_the_camera_frames_the_face_and_not_the_body():
    head = default_head()
    floor = np.array([(-1, -1.7, 0), (1, -1.7, 0), (0, -1.7, 1)], np.float32)
    body = Part("body", floor, np.tile(np.array([[0, 1, 0]], np.float32), (3, 1)), np.zeros((3, 2), np.float32), ((0, 1, 2),),
                Material("cloth", (1, 1, 1)))
    alone = actor_of((head,), (head.targets,))
    clothed = actor_of((head, Mesh("body", (body,))), (head.targets, ()))
    np.testing.assert_array_equal(alone.face, clothed.face)
    seen = Camera.framing(alone.face, 480, 540).project(np.array(alone.vertices[alone.moved], np.float32))
    assert (seen[:, :2] > 0).all() and (seen[:, 0] < 480).all() and (seen[:, 1] < 540).all()

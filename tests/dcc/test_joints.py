"""Rotations of a clip as angles of a host's joint, against scipy's arithmetic."""

import random

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from a2f_batch.dcc.joints import ORDERS, Rest, angles
from a2f_batch.errors import ExportError


@pytest.fixture
def rng():
    seed = random.randrange(2**32)
    print("seed", seed)
    return np.random.default_rng(seed)


def nods(rng, frames=200):
    """A head that wanders."""
    return Rotation.from_rotvec(np.cumsum(rng.normal(0, 0.02, (frames, 3)), axis=0)).as_quat().astype(np.float32)


def own(angles_xyz, order):
    """The rotation that a host makes of three angles: lower case is about fixed axes, the first letter first."""
    return Rotation.from_euler(order, [angles_xyz["xyz".index(axis)] for axis in order]).as_matrix()


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_joint_turns_in_the_world_as_the_head_does(order, up, rng):
    turns, linear = nods(rng), Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    size = rng.choice([-2.0, 0.5])  # a mirrored rig; a small one
    parent = np.eye(4)
    parent[:3, :3] = (linear * size).T
    parent[3, :3] = rng.normal(size=3)
    rest = Rest(rng.uniform(-1, 1, 3).tolist(), order, rng.uniform(-3, 3, 3).tolist(), parent.ravel().tolist(), up)
    frame = linear * np.sign(size) @ Rotation.from_euler("xyz", rest.orient).as_matrix()
    axes = Rotation.from_euler("x", 90 if up == "z" else 0, degrees=True).as_matrix()
    for keyed, turn in zip(angles(turns, rest), turns, strict=True):
        wanted = axes @ Rotation.from_quat(turn).as_matrix() @ axes.T @ frame @ own(rest.rotate, order)
        np.testing.assert_allclose(frame @ own(keyed, order), wanted, atol=2e-6)  # angles are float32


def test_where_z_is_up_a_head_that_looks_left_turns_about_z_and_one_that_nods_about_x():
    left = Rotation.from_euler("y", 0.3).as_quat()[None].astype(np.float32)
    down = Rotation.from_euler("x", 0.2).as_quat()[None].astype(np.float32)
    np.testing.assert_allclose(angles(left, Rest(up="z")), [[0, 0, 0.3]], atol=1e-6)
    np.testing.assert_allclose(angles(down, Rest(up="z")), [[0.2, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(angles(left, Rest()), [[0, 0.3, 0]], atol=1e-6)


def test_a_head_at_rest_keeps_its_angles_even_beyond_a_turn():
    still = np.tile(np.float32([0, 0, 0, 1]), (3, 1))
    for rotate in ((0.1, 0.2, 0.3), (4.0, -5.0, 7.0), (0.0, 3.0, 0.0)):
        np.testing.assert_allclose(angles(still, Rest(rotate)), [rotate] * 3, atol=1e-5)


def test_neighbours_never_jump(rng):
    spin = Rotation.from_rotvec(np.linspace(0, 20, 500)[:, None] * [0, 0, 1]).as_quat().astype(np.float32)
    assert np.abs(np.diff(angles(spin, Rest((0.3, 0.2, 0.1))), axis=0)).max() < 0.1
    np.testing.assert_allclose(angles(spin, Rest())[:, 2], np.linspace(0, 20, 500), atol=1e-4)


@pytest.mark.parametrize("members", [
    {"rotate": (0, 0)}, {"orient": (0, 0, float("nan"))}, {"parent": (1,) * 9}, {"order": "xyx"}, {"up": "x"}, {"parent": (0,) * 16}])
def test_a_rest_pose_that_is_none_is_refused(members):
    with pytest.raises(ExportError) as caught:
        angles(np.float32([[0, 0, 0, 1]]), Rest(**members))
    assert caught.value.code == "joint-rest"

"""What several of the exporters' tests need and Blender takes seconds to make: one for all of them."""

import pytest
from guard import make_guard


@pytest.fixture(scope="session")
def guard_folder(tmp_path_factory):
    """The folder that `make_guard` fills; not to be written into."""
    return make_guard(tmp_path_factory.mktemp("character")).parent


@pytest.fixture(scope="session")
def guard(guard_folder):
    """The guard as a .glb."""
    return guard_folder / "guard.glb"

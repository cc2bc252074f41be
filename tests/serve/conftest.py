from __future__ import annotations

import os
import random
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from tests.serve.servers import Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service as it comes, with two workers."""
    with serving(tmp_path_factory.mktemp("serve"), "--workers", "2") as running:
        yield running


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture()
def rng() -> np.random.Generator:
    seed = int(os.environ.get("A2F_SEED", random.randrange(2 ** 32)))
    print(f"A2F_SEED={seed}")
    return np.random.default_rng(seed)

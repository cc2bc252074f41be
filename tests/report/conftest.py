import pytest
from report_fixtures import render_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The demo, rendered with its report. Not to be changed."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    render_demo(out)
    return out


@pytest.fixture(scope="module")
def chromium():
    from chromium import Chromium

    with Chromium() as browser:
        yield browser

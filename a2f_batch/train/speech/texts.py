"""Things to say: made-up phrases of a language's common words, which hold all of its sounds in their usual shares.

The words come from the package wordfreq (Apache-2.0; lists CC BY-SA 4.0), which needs no download. What the phrases mean does not matter
to a mouth, and what is kept of them is sound.
"""

from __future__ import annotations

import functools
import re

import numpy as np

#: Letters that words of a language are written in; words with others (Latin in a Russian list, say) are left out.
_SCRIPTS = {"ru": "а-яё", "uk": "а-яіїєґ'", "hi": "\u0900-\u0963", "ja": "\u3041-\u3096\u30a1-\u30fa\u30fc\u4e00-\u9fff",
            "zh": "\u4e00-\u9fff", "ko": "\uac00-\ud7a3"}
_LATIN = "a-zß-öø-ÿāăąćčďđęěğğıłńňőœřśşšťůűźżžșț'"
_UNSPACED = ("ja", "zh")
_COMMON = 4000


@functools.cache
def _words(language: str) -> tuple[str, ...]:
    from wordfreq import top_n_list

    word = re.compile(f"[{_SCRIPTS.get(language, _LATIN)}]{{{1 if language in ('zh', 'ja', 'ko') else 2},14}}")
    return tuple(one for one in top_n_list(language, _COMMON + 2000, wordlist="small") if word.fullmatch(one))[:_COMMON]


def draw_text(language: str, n_words: int, random: np.random.Generator) -> str:
    """Return one to three phrases, `n_words` words in all, with commas and an end mark.

    Args:
        language: as espeak-ng names it; what follows a '-' names the country and is ignored.
    """
    language = language.split("-")[0]
    words = _words(language)
    # Flatter than speech (which would be 1 / rank): rare sounds come up sooner.
    shares = 1 / (np.arange(len(words)) + 100)
    drawn = [words[i] for i in random.choice(len(words), n_words, p=shares / shares.sum())]
    marks = ("、", "。") if language == "ja" else ("，", "。") if language == "zh" else (",", ".")
    gap = "" if language in _UNSPACED else " "
    text, since = "", 0
    for i, one in enumerate(drawn):
        since += 1
        if i == len(drawn) - 1:
            text += one + str(random.choice([marks[1], marks[1], "?", "!"]))
        elif since >= 3 and random.random() < 0.3:
            text, since = text + one + marks[0] + gap, 0
        else:
            text += one + gap
    return text

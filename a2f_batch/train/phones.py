"""What a phone asks of the lips: IPA letters sorted into classes that look alike on a face."""

from __future__ import annotations

import functools

#: Class -> the IPA letters in it. Classes of vowels follow height and rounding; of consonants, what the lips do: those made by the tongue
#: alone are split only where the teeth or the jaw show it (JALI's lip-heavy and tongue-only sets; Edwards, Landreth, Fiume, Singh 2016).
CLASSES: dict[str, str] = {
    "sil": "",
    "P": "pbmɓɸβʙ",  # lips meet
    "F": "fvɱʋⱱ",  # lower lip to upper teeth
    "W": "wʍɥ",
    "TH": "θð",
    "T": "tdnlɾɫɬʈɖɳɗɽʎɭ",
    "S": "sz",
    "CH": "ʃʒɕʑʂʐ",
    "K": "kɡŋxɣhqɢχħɦʔɲcɟçʝɴɰʕgʰ",
    "R": "ɹɻrʁʀ",
    "J": "j",
    "I": "iɪɨᵻ",
    "E": "eɛɘ",
    "AE": "æa",
    "AA": "ɑʌɐäɶ",
    "ER": "ɜɝɚ",
    "AX": "ə",
    "AO": "ɔɒ",
    "O": "oɤɵɞ",
    "U": "uʊʉɯ",
    "Y": "yʏøœ",
}
NAMES = tuple(CLASSES)
VOWELS = ("I", "E", "AE", "AA", "ER", "AX", "AO", "O", "U", "Y")
BILABIAL = frozenset("pbm")
#: The benchmark's two sides: rounded against spread.
ROUNDED = frozenset("uowy")
SPREAD = frozenset("ie")
#: (language, phone as espeak-ng writes it, and so Kokoro) -> what is said: neither language rounds a front vowel. It is Russian's "ery" and
#: the last e of a Brazilian word.
MISWRITTEN = {("ru", "y"): "ɨ", ("pt-br", "y"): "i"}
#: Unrounded in spite of their class' company.
_UNROUNDED_BACK = {"ɤ": "AX", "ɯ": "I"}
_BY_LETTER = {letter: name for name, letters in CLASSES.items() for letter in letters} | _UNROUNDED_BACK


@functools.cache
def classes_of(ipa: str) -> tuple[str, ...]:
    """Return the classes of a phone's letters, one after the other: a diphthong or an affricate has two.

    Letters that IPA lacks count as a tongue's, which leaves the lips alone.
    """
    found: list[str] = []
    for letter in ipa:
        name = _BY_LETTER.get(letter, "K")
        if not found or found[-1] != name:
            found.append(name)
    if len(found) > 1 and all(name not in VOWELS for name in found):
        found = found[:2]
    return tuple(found) or ("K",)

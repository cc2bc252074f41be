"""A strict parser of Maya's .anim, written from Autodesk's page of the format alone."""

import re
from fractions import Fraction

import numpy as np

# Maya's manual, currentUnit: what each unit of time is.
UNITS = {"game": Fraction(15), "film": Fraction(24), "pal": Fraction(25), "ntsc": Fraction(30), "show": Fraction(48), "palf": Fraction(50),
         "ntscf": Fraction(60), "23.976fps": Fraction(24000, 1001), "29.97fps": Fraction(30000, 1001), "59.94fps": Fraction(60000, 1001)}


class StrictAnim:
    """The grammar, one statement a line, in the order and with the words of the files that animExport writes."""

    def __init__(self, text):
        assert text.isascii() and text.endswith("\n") and "\r" not in text and "\t" not in text
        self.lines = iter(text.removesuffix("\n").split("\n"))
        assert self.take(r"animVersion (\S+);") == ("1.1",)
        assert re.fullmatch(r"20\d\d", self.take(r"mayaVersion (\S+);")[0])
        self.fps = UNITS[self.take(r"timeUnit (\S+);")[0]]
        assert self.take(r"linearUnit (\S+);") == ("cm",)
        assert self.take(r"angularUnit (\S+);") == ("deg",)
        self.start, self.end = self.decimal(*self.take(r"startTime (\S+);")), self.decimal(*self.take(r"endTime (\S+);"))
        self.curves, self.nodes = {}, set()
        for line in self.lines:
            self.curve(line)

    def take(self, pattern):
        return self.match(pattern, next(self.lines))

    def match(self, pattern, line):
        found = re.fullmatch(pattern, line)
        assert found, f"{line!r} is not {pattern!r}"
        return found.groups()

    def decimal(self, text):
        assert re.fullmatch(r"-?\d+(\.\d+)?", text), text
        return float(text)

    def curve(self, line):
        full, leaf, node, row, child, number = self.match(r"anim (\S+) (\S+) (\S+) (\d+) (\d+) (\d+);", line)
        assert full == f"{node}.{leaf}" and leaf not in self.curves
        assert re.fullmatch(r"[A-Za-z_]\w*", leaf)
        assert (row, child, int(number)) == ("0", "0", len(self.curves))
        self.nodes.add(node)
        assert self.take(r"animData \{") == ()
        for pattern in ("input time", "output unitless", "weighted 0", "preInfinity constant", "postInfinity constant"):
            self.take(f"  {pattern};")
        self.take(r"  keys \{")
        keys = []
        while (line := next(self.lines)) != "  }":
            key_time, value, tangents, rest = self.match(r"    (\S+) +(\S+) (linear linear|fixed fixed) 1 1 0((?: \S+)*);", line)
            # An angle and a weight for each tangent that is fixed.
            assert len([self.decimal(number) for number in rest.split()]) == (4 if tangents == "fixed fixed" else 0)
            keys.append((self.decimal(key_time), self.decimal(value)))
        self.take(r"\}")
        assert keys[0][0] == self.start and keys[-1][0] == self.end
        self.curves[leaf] = np.array(keys)

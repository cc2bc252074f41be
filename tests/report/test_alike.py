"""Objects that are mostly alike are parsed as `json.loads` parses them."""

import json
import os
import random

import pytest

from a2f_batch.report.alike import AlikeJson

SEED = int(os.environ.get("A2F_SEED", random.randrange(2 ** 32)))


def value(rng, depth=2):
    kind = rng.randrange(9 if depth else 6)
    if kind < 6:
        text = rng.choice(["", "a", "ab", '"', "],", "ü\\"])
        return [None, rng.random() < 0.5, rng.randrange(-12, 130), rng.choice([1.5, 1e-9, -0.0]), text, 1][kind]
    if kind < 8:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {rng.choice("abc"): value(rng, depth - 1) for _ in range(rng.randrange(4))}


def test_any_sequence_of_objects_is_parsed_as_json_loads_does():
    print(f"A2F_SEED={SEED}")
    rng, alike = random.Random(SEED), AlikeJson()
    document = {}
    for _ in range(3000):
        key = rng.choice(["accessors", "nodes", "asset", "x1", "a b"])
        if isinstance(document.get(key), list) and document[key] and rng.random() < 0.6:  # as another line's: the same but for something
            document[key] = list(document[key])
            at = rng.randrange(len(document[key]))
            document[key][at:at + rng.randrange(3)] = [value(rng) for _ in range(rng.randrange(3))]
        elif rng.random() < 0.2:
            document.pop(key, None)
        else:
            document[key] = rng.choice([value(rng), [value(rng) for _ in range(rng.randrange(12))]])
        text = json.dumps(document, separators=rng.choice([(",", ":"), (",", ":"), (", ", ": ")]), ensure_ascii=rng.random() < 0.5)
        text += " " * rng.randrange(3)
        assert repr(alike.loads(text.encode())) == repr(json.loads(text))


@pytest.mark.parametrize("text", ["", "{", '{"a":1', '{"a":1,}', '{"a":[1,}', '{"a":[1 2]}', '{"a":[1]]}', '{"a":1}{', '{,"a":1}',
                                  '{"a":1{"b":2}', "{'a':1}"])
def test_what_is_no_json_is_refused_whatever_came_before(text):
    alike = AlikeJson()
    alike.loads(b'{"a":[1,2]}')
    with pytest.raises(ValueError):
        alike.loads(text.encode())

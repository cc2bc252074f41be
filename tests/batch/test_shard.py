"""Shards: every line in exactly one, always the same one."""

import random
from collections import Counter

import pytest

from a2f_batch.batch.identity import Identity
from a2f_batch.batch.shard import MAX_SHARDS, Shard
from a2f_batch.errors import BatchError


@pytest.fixture()
def random_identities():
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    return [Identity(chance.choice(["de", "fr", "pt-BR"]), f"guard{chance.randrange(30)}", f"line_{number:06}") for number in range(20_000)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40, 1000])
def test_every_line_is_in_exactly_one_shard(random_identities, count):
    shards = [Shard(index, count) for index in range(1, count + 1)]
    for identity in random_identities[:200]:
        assert sum(shard.takes(identity) for shard in shards) == 1


def test_shards_are_even(random_identities):
    sizes = Counter(next(index for index in range(1, 9) if Shard(index, 8).takes(identity)) for identity in random_identities)
    # 2 500 each on average; a binomial's standard deviation is 47, and six of them are 11 %.
    assert all(abs(sizes[index] - 2500) < 6 * 47 for index in range(1, 9)), sizes


# Written down, not computed: a later version must split a manifest as this one did, or a half-done farm would do lines twice or never.
@pytest.mark.parametrize(("identity", "shard_of_7", "shard_of_40"), [
    (Identity("en-US", "guard", "gate_halt"), 7, 34),
    (Identity("de", "Wächter", "tor_03"), 6, 12),
    (Identity("ja", "門番", "止まれ"), 4, 12),
], ids=["ascii", "german", "japanese"])
def test_the_split_is_the_one_of_every_earlier_version(identity, shard_of_7, shard_of_40):
    assert Shard(shard_of_7, 7).takes(identity)
    assert Shard(shard_of_40, 40).takes(identity)


def test_case_and_unicode_form_do_not_move_a_line():
    written = Identity.nfc("DE", "WA\u0308CHTER", "Tor_03")
    plain = Identity("de", "wächter", "tor_03")
    assert [Shard(i, 40).takes(written) for i in range(1, 41)] == [Shard(i, 40).takes(plain) for i in range(1, 41)]


def test_a_row_without_an_identity_is_reported_by_the_first_shard_alone():
    assert [Shard(index, 3).takes(None) for index in (1, 2, 3)] == [True, False, False]


@pytest.mark.parametrize(("text", "index", "count"),
                         [("7/40", 7, 40), ("1/1", 1, 1), (" 007/0040 ", 7, 40), (f"1/{MAX_SHARDS}", 1, MAX_SHARDS)])
def test_a_shard_is_read_as_written(text, index, count):
    assert Shard.parse(text) == Shard(index, count)
    assert Shard.parse(str(Shard.parse(text))) == Shard(index, count)
    assert Shard(index, count).name == f"{index}-of-{count}"


@pytest.mark.parametrize("text", ["", "7", "7/", "/40", "0/40", "41/40", "-1/40", "7/0", "1.5/40", "7 of 40", "7/40/2", "٧/40", "1/100001",
                                  "1/9999999999"])
def test_what_is_no_shard_is_refused_with_a_remedy(text):
    with pytest.raises(BatchError) as caught:
        Shard.parse(text)
    assert caught.value.code == "shard"
    assert repr(text) in caught.value.problem
    assert "7/40" in caught.value.remedy

import pickle

import pytest

from a2f_batch import errors


@pytest.mark.parametrize("kind", errors.A2FError.__subclasses__())
def test_an_error_survives_the_way_between_processes(kind):
    back = pickle.loads(pickle.dumps(kind("It broke.", "Mend it.", code="broken")))
    assert (type(back), back.problem, back.remedy, back.code) == (kind, "It broke.", "Mend it.", "broken")
    assert str(back) == "It broke.\nMend it."

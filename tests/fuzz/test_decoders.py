"""Every decoder on hostile files: at least 500 of them, each read by a decoding process as an indexing run would.

Whatever a file does, it ends as a picture, a sound or a text that an encoder can take, or as an error in words. A crash
or a hang of native code is contained by the process; one that a mutation finds is for its library to mend, and counted
by `benchmarks/fuzz.py`. An exception that nobody expected is a bug of ours and fails here.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seeds import NAMES, seed

from fuzz.judge import CRASHED, HUNG, READ, UNEXPECTED, Judge
from fuzz.mutations import OPERATIONS, Mutation, mutated
from mmsearch.media.formats import TABLE

EXAMPLES = 600

mutations = st.lists(
    st.builds(
        Mutation,
        st.sampled_from(sorted(OPERATIONS)),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from((1, 2, 4, 16, 64, 512)),
        st.integers(0, (1 << 32) - 1),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def judge():
    with Judge() as made:
        yield made


def test_every_format_has_a_seed():
    suffixes = {seed(name)[2] for name in NAMES}
    without = [row.name for row in TABLE if not suffixes & set(row.suffixes)]
    assert without == []


@pytest.mark.parametrize("name", NAMES)
def test_seeds_are_whole(judge, name):
    verdict = judge.read(*seed(name))
    assert (verdict.ended, verdict.reason) == (READ, "")


@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(name=st.sampled_from(NAMES), damage=mutations)
def test_hostile_files(judge, name, damage):
    data, modality, suffix = seed(name)
    verdict = judge.read(mutated(data, damage), modality, suffix)
    assert verdict.ended != UNEXPECTED, verdict.reason
    if verdict.ended in (CRASHED, HUNG):  # contained: the next file is read
        assert judge.read(*seed("plain text")).ended == READ

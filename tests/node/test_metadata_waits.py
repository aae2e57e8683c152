"""How long a node waits until EC2 shows what it has just made: the waits of ipamd's back-off, and no others."""

import itertools

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.conditions import Conditions
from vpcipam.errors import NodeError
from vpcipam.node.calls import DELETE_BACKOFF, DETACH_BACKOFF, METADATA_BACKOFF, SDK_BACKOFF, SET_UP_BACKOFF, TAG_BACKOFF

S = 1_000_000_000
MS = S // 1000
TRIES = 12  # docs/ipamd.md, "Attaching an ENI"


class Extreme:
    """Chance that always draws the lowest number, or always the highest."""

    def __init__(self, *, highest):
        self.highest = highest

    def below(self, bound):
        return bound - 1 if self.highest else 0


def waits_of_ipamd(count, *, highest):
    """The first waits: 100 ms, and each twice the one before, up to a minute; then up to 15 % more."""
    return [min(100 * MS * 2**number, 60 * S) * (115 if highest else 100) // 100 for number in range(count)]


@pytest.mark.parametrize(
    ("backoff", "first_ns", "longest_s", "tries", "percent"),
    [
        (SDK_BACKOFF, S, 20, 10, (0, 100)),
        (DETACH_BACKOFF, 200 * MS, 60, 12, (100, 115)),
        (DELETE_BACKOFF, 500 * MS, 60, 12, (100, 115)),
        (TAG_BACKOFF, 500 * MS, 60, 5, (100, 130)),
        (SET_UP_BACKOFF, 10 * S, 10, 6, (100, 100)),
        (METADATA_BACKOFF, 100 * MS, 60, TRIES, (100, 115)),
    ],
)
@pytest.mark.parametrize("highest", [False, True])
def test_the_shortest_and_the_longest_waits_of_each_back_off(backoff, first_ns, longest_s, tries, percent, highest):  # noqa: PLR0917 - a table
    plain = [min(first_ns * 2**number, longest_s * S) for number in range(tries)]
    chance = Extreme(highest=highest)
    assert [backoff.wait_ns(number, chance) for number in range(tries)] == [each * percent[highest] // 100 for each in plain]
    assert backoff.try_count == tries


READS = st.sampled_from(["refused", "without", "empty", "partly", "whole"])


def shows(kind, enis):
    """What one read of the metadata shows of the new ENI, which is the last."""
    *others, new = enis
    if kind == "refused":
        raise Ec2Error("InternalError", "try again", "InstanceMetadata")
    shown = {"empty": (), "partly": new.secondary_ips[:1], "whole": new.secondary_ips}
    return (*others, attrs.evolve(new, secondary_ips=shown[kind])) if kind in shown else tuple(others)


def read_times(here):
    return [arguments["now_ns"] for action, _, arguments in here.ec2.arguments if action == "InstanceMetadata"]


@given(reads=st.lists(READS, max_size=TRIES + 2), highest=st.booleans())
@example(reads=["without"] * (TRIES - 1), highest=True)
@example(reads=["without"] * TRIES, highest=True)
@example(reads=["partly"] * TRIES, highest=False)
@example(reads=["partly", *["without"] * TRIES], highest=False)
def test_a_new_eni_is_looked_for_with_the_waits_of_ipamd(world, reads, highest):
    here = world("t3.small", conditions=Conditions())
    here.node._loop.chance = Extreme(highest=highest)
    here.pods(3)
    kinds = itertools.chain(reads, itertools.repeat("whole"))
    here.ec2.metadata = lambda enis: shows(next(kinds), enis)
    here.ec2.arguments.clear()
    here.tick(5)
    padded = [*reads, *["whole"] * TRIES]
    count = min(padded.index("whole") + 1, TRIES)
    waits = waits_of_ipamd(count - 1, highest=highest)
    times = read_times(here)
    assert times[:count] == [5 * S + sum(waits[:number]) for number in range(count)]
    here.now_ns = here.node.busy_until(here.now_ns) or here.now_ns
    assert here.now_ns == times[count - 1], "no wait follows the last read"
    usable = max(
        (len(shows(kind, here.attached().values())[-1].secondary_ips) for kind in padded[:count] if kind in {"partly", "whole"}), default=0
    )
    assert here.node.stats(here.now_ns).total_count == 3 + usable


@given(missing=st.integers(0, TRIES + 1), highest=st.booleans())
def test_a_start_looks_for_the_primary_eni_with_the_same_waits(world, missing, highest):
    here = world("t3.small", {"ENABLE_IMDS_ONLY_MODE": "true"}, conditions=Conditions(), start=False)
    here.node._loop.chance = Extreme(highest=highest)
    reads = itertools.count(1)
    here.ec2.metadata = lambda enis: enis if next(reads) > missing else ()
    if missing < TRIES:
        here.node.start(0)
    else:
        with pytest.raises(NodeError, match="shows no primary ENI"):
            here.node.start(0)
    count = min(missing + 1, TRIES)
    waits = waits_of_ipamd(count - 1, highest=highest)
    assert read_times(here)[:count] == [sum(waits[:number]) for number in range(count)]
    assert here.model.elapsed_ns == sum(waits), "no wait follows the last try"

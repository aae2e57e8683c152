"""Skipped ticks: a node that passes over ticks at rest goes on at the same instants as one that ticks at each of them."""

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

S = 1_000_000_000
TICK_NS = 5 * S
# Around the two intervals of comparisons with EC2: every tick while a trunk is missing, else every 65 s.
GAPS = st.sampled_from([1, TICK_NS - 1, TICK_NS, 60 * S, 65 * S - 1, 65 * S, 65 * S + 1, 70 * S, 130 * S, 131 * S]) | st.integers(
    1, 300 * S
)


class Pair:
    """The same node twice: one ticks at every instant of its grid, the other passes over the ticks."""

    def __init__(self, world, variables, start_ns):
        self.ticking, self.passing = (world("m5.large", variables, start=False) for _ in range(2))
        for here in (self.ticking, self.passing):
            here.now_ns = start_ns
            here.start()
        self.now_ns = self.last_tick_ns = start_ns

    def go_on(self, until_ns):
        """Pass the time, exclusive of the tick at its end."""
        while (next_ns := self.ticking.node.next_tick(self.last_tick_ns)) < until_ns:
            self.last_tick_ns = next_ns
            assert self.ticking.node.tick(next_ns) == ()
        self.passing.ec2.log.clear()
        self.passing.node.pass_over(until_ns)
        assert self.passing.ec2.log == []
        self.now_ns = self.ticking.now_ns = self.passing.now_ns = until_ns

    def tick(self):
        self.last_tick_ns = self.now_ns
        return self.both(lambda here: [(action.kind.value, action.at_ns) for action in here.node.tick(self.now_ns)])

    def both(self, step):
        results = [step(here) for here in (self.ticking, self.passing)]
        assert results[0] == results[1]
        return results[0]

    def wakeups(self):
        """When the node wakes as seen from now and from later instants, with and without comparisons."""
        times = [self.now_ns - 1, self.now_ns, self.now_ns + 64 * S, self.now_ns + 66 * S]
        return self.both(lambda here: [here.node.next_wakeup(at, include_reconcile=each) for at in times for each in (True, False)])


@pytest.mark.parametrize("trunk", [False, True])
@given(start_ns=st.sampled_from([0, 7 * S + 3]), gaps=st.lists(st.tuples(GAPS, st.booleans()), min_size=1, max_size=4))
@example(0, [(65 * S, False), (65 * S, True)])
@example(0, [(130 * S, False), (1, False)])
@example(0, [(129 * S, True), (1, True), (5 * S, True)])
def test_a_node_that_passes_over_ticks_goes_on_like_one_that_ticks(world, trunk, start_ns, gaps):
    pair = Pair(world, {"ENABLE_POD_ENI": "true" if trunk else "false", "DISABLE_LEAKED_ENI_CLEANUP": "true"}, start_ns)
    for gap_ns, ticks in gaps:
        pair.go_on(pair.now_ns + gap_ns)
        pair.wakeups()
        if ticks:
            assert pair.tick() == []
            pair.wakeups()
    if trunk:  # the comparison that finds it sets the time of the next one
        pair.both(lambda here: here.foreign_eni(interface_type="trunk"))
        pair.go_on(pair.ticking.node.next_tick(pair.last_tick_ns))
        assert pair.tick() == [("adopt-eni", pair.now_ns)]
    pair.both(lambda here: here.foreign_eni(ips=1))
    due_ns = max(pair.wakeups()[0], pair.now_ns)
    assert due_ns <= pair.now_ns + 65 * S + TICK_NS
    pair.now_ns = due_ns
    pair.tick()

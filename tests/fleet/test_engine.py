"""The event loop: the same as ticking every node every 5 s, and nobody gets lost."""

from fleet_worlds import run_whole, scenarios
from hypothesis import given, settings

HEAVY = settings(max_examples=max(5, settings.default.max_examples // 5))


@HEAVY
@given(scenario=scenarios())
def test_a_node_that_is_ticked_when_it_must_does_what_one_does_that_is_ticked_every_five_seconds(scenario):
    result, actions, holdings = run_whole(scenario)
    ticked_result, ticked_actions, ticked_holdings = run_whole(scenario, tickless=False)
    by_time = sorted(actions, key=lambda told: (told[0], told[1].at_ns))
    assert by_time == sorted(ticked_actions, key=lambda told: (told[0], told[1].at_ns))
    assert holdings == ticked_holdings
    assert result == ticked_result

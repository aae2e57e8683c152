"""A healthy random cluster with one rule broken: exactly that rule fires, and before it is broken no rule does.

Each mutation changes the documents of a cluster as the fault would show in them, or lets the cluster live on until the fault is there.
"""

import itertools

import breaking_datapath
import breaking_ec2
import breaking_ipamd
import breaking_kubernetes
import breaking_logs
import breaking_owners
import breaking_pools
import breaking_reconcile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import MUTATIONS, check

from vpcipam.inspection.rules.catalogue import CATALOGUE

MODULES = (
    breaking_datapath,
    breaking_ec2,
    breaking_ipamd,
    breaking_kubernetes,
    breaking_logs,
    breaking_owners,
    breaking_pools,
    breaking_reconcile,
)


def test_every_rule_of_the_catalogue_has_a_mutation():
    assert MUTATIONS.keys() == CATALOGUE.keys()
    assert {function.__module__.rpartition(".")[2] for ways in MUTATIONS.values() for function, _ in ways} == {
        module.__name__ for module in MODULES
    }


A_FEW = settings(max_examples=max(1, settings.default.max_examples // 10))  # for each of a hundred rules; each makes whole clusters


@pytest.mark.parametrize("rule", sorted(MUTATIONS))
@A_FEW
@given(seed=st.integers(0, 2**32))
def test_a_broken_rule_fires_and_no_other(rule, seed):
    assert any(check(rule, seed + step) for step in range(50))


@pytest.mark.nightly
@pytest.mark.parametrize("rule", sorted(MUTATIONS))
def test_in_thousands_of_clusters(rule):
    """Each rule is broken in 100 clusters; some rules need a cluster of a rare kind."""
    broken = (check(rule, seed) for seed in range(20_000))
    assert sum(itertools.islice(filter(None, broken), 100)) == 100

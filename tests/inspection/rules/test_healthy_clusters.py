"""A healthy cluster gives no finding, at any instant: during a start, an attach, a cooldown, a release."""

import random

import attrs
import pytest
from clusters import documents, evidence, random_cluster
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.inspection import audit
from vpcipam.inspection.evidence import Evidence
from vpcipam.inspection.rules import logs

LOG_IDS = {rule_id for rule in logs.RULES for rule_id in rule.ids}
RELEASES = ((1, 22, 5), (1, 23, 0))
OF_ALL_NAMESPACES = {"pod-gone", "held-by-no-pod", "held-by-old-sandbox"}
"""The rules that need the pods of all namespaces. Pods of a single one are taken for a part of them."""


@given(st.integers(0, 2**32), st.sampled_from(RELEASES))
def test_a_healthy_cluster_gives_no_finding(seed, release):
    read = evidence(documents(random_cluster(seed), release=release, kernel=True))
    found = audit(read)
    assert found.faults == ()
    single = len({fact.value.pod.namespace for fact in read.pods}) < 2
    assert {each.rule for each in found.unchecked} == {"unseen-addresses", *LOG_IDS, *(OF_ALL_NAMESPACES if single else ())}


@given(st.integers(0, 2**32), st.data())
def test_no_part_of_a_healthy_cluster_gives_a_finding(seed, data):
    made = documents(random_cluster(seed, steps=8), kernel=True)
    chosen = data.draw(st.sets(st.sampled_from(sorted(made))))
    read = evidence({name: made[name] for name in chosen})
    found = audit(read)
    assert found.faults == ()
    if not chosen:
        assert found.checked == frozenset()


@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_the_order_of_the_files_does_not_count(seed, shuffled: random.Random):
    made = documents(random_cluster(seed, steps=8), kernel=True)
    names = list(made)
    shuffled.shuffle(names)
    first, second = audit(evidence(made)), audit(evidence({name: made[name] for name in names}))
    assert {attrs.evolve(each, sources=()) for each in first.findings} == {attrs.evolve(each, sources=()) for each in second.findings}
    assert first.checked == second.checked


def test_nothing_read_is_not_enough():
    found = audit(Evidence())
    assert (found.findings, found.checked) == ((), frozenset())
    assert found.unchecked


@pytest.mark.nightly
def test_thousands_of_healthy_clusters_give_no_finding():
    for seed in range(2_000):
        found = audit(evidence(documents(random_cluster(seed), kernel=True)))
        assert found.faults == (), seed

"""Prefix delegation, and other variables, that are on but not in effect."""

import pytest
from clusters import Cluster, daemonset, documents, evidence, random_cluster
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.inspection import audit
from vpcipam.inspection.finding import Severity
from vpcipam.settings import Settings

PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
IDS = ("prefixes-without-effect", "prefixes-not-in-use", "settings-not-rolled-out")


def told(made, only=None):
    return [each for each in audit(evidence(made, only)).findings if each.rule in IDS]


def with_pod(made, here, settings):
    """Add the aws-node pod of a node, with its variables."""
    container = daemonset(settings)["spec"]["template"]["spec"]["containers"][0]
    made["pods"]["items"].append(
        {
            "kind": "Pod",
            "metadata": {"namespace": "kube-system", "name": "aws-node-x", "labels": {"k8s-app": "aws-node"}},
            "spec": {"nodeName": here.name, "hostNetwork": True, "containers": [container]},
            "status": {"phase": "Running", "podIP": here.address, "podIPs": [{"ip": here.address}]},
        }
    )
    return made


def test_a_type_without_prefixes():
    (answer,) = told(documents(Cluster.make("m4.large", variables=PREFIXES)))
    assert (answer.rule, answer.severity) == ("prefixes-without-effect", Severity.NOTE)
    assert answer.message == "is a m4.large, which has no prefixes: ENABLE_PREFIX_DELEGATION has no effect on it"
    assert told(documents(Cluster.make("m4.large"))) == []


ONLY_IPAMD = ("nodes", "pods", "daemonset", "enis.json")


def test_secondary_ips_only():
    made = Cluster.make("m5.large")
    changed = documents(made) | {"daemonset": daemonset(Settings().with_variables(PREFIXES))}
    (answer,) = told(changed, ONLY_IPAMD)
    assert (answer.rule, answer.severity) == ("prefixes-not-in-use", Severity.NOTE)
    assert "has 9 secondary IPs and no prefix in ipamd's datastore" in answer.message
    (answer,) = told(with_pod(changed, made.nodes[0], Settings().with_variables(PREFIXES)), ONLY_IPAMD)
    assert (answer.rule, answer.severity) == ("prefixes-not-in-use", Severity.FINDING)
    assert told(changed) == []
    assert "mode-mismatch" in {each.rule for each in audit(evidence(changed)).faults}


@pytest.mark.parametrize("variables", [{}, PREFIXES])
def test_what_is_in_effect(variables):
    assert told(documents(Cluster.make("m5.large", variables=variables)), ONLY_IPAMD) == []


def test_settings_that_are_not_rolled_out():
    made = Cluster.make("m5.large", "m5.large", variables={"WARM_IP_TARGET": "5"})
    changed = with_pod(documents(made), made.nodes[1], Settings())
    (answer,) = told(changed)
    assert (answer.rule, answer.severity, answer.node) == ("settings-not-rolled-out", Severity.NOTE, made.nodes[1].name)
    assert answer.message == "runs aws-node with other variables than the DaemonSet has: WARM_IP_TARGET is 0, not 5"
    assert told(with_pod(documents(made), made.nodes[1], made.settings)) == []


def test_the_daemonset_in_the_folder_of_a_node_is_that_of_the_cluster():
    made = Cluster.make("m5.large", variables={"WARM_IP_TARGET": "5"})
    here = made.nodes[0]
    changed = with_pod(documents(made), here, Settings())
    together = {f"{here.name}/{name.rpartition('/')[2].removesuffix('.json')}.json": content for name, content in changed.items()}
    report = audit(evidence(together))
    assert [each.rule for each in report.findings if each.rule in IDS] == ["settings-not-rolled-out"]
    assert "settings-not-rolled-out" not in {each.rule for each in report.unchecked}


@given(st.integers(0, 2**32))
def test_a_change_that_is_not_rolled_out_is_found(seed):
    made = random_cluster(seed, steps=5)
    changed = with_pod(documents(made), made.nodes[0], made.settings.with_variables({"IP_COOLDOWN_PERIOD": "77"}))
    answer = audit(evidence(changed))
    assert answer.faults == ()
    assert [each.node for each in answer.findings if each.rule == "settings-not-rolled-out"] == [made.nodes[0].name]

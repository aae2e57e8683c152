"""Documents beside a node's own, written in each of their shapes and read again: the same values."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.inspection.evidence import CniNode, EniConfig, EventObject, KubeletLimits
from vpcipam.inspection.releases import Releases
from vpcipam.settings import Settings

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=30)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=80)
COUNTS = st.integers(1, 2**31 - 1)
TIMES = st.datetimes().map(lambda time: f"{time:%Y-%m-%dT%H:%M:%S}Z")


def values(facts):
    return [fact.value for fact in facts]


# --- events ------------------------------------------------------------------------------------------------------------------


def core_event(event, namespace, name):
    """As `v1` writes it."""
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": f"{name}.1", "namespace": namespace},
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": name},
        "reason": event.reason,
        "message": event.message,
        "type": event.kind,
        "count": event.count,
        "firstTimestamp": "2020-01-01T00:00:00Z",
        "lastTimestamp": event.last_seen,
    }


def old_event(event, namespace, name):
    """As `events.k8s.io/v1` writes one that an old client made."""
    return {
        "kind": "Event",
        "apiVersion": "events.k8s.io/v1",
        "metadata": {"name": f"{name}.1", "namespace": namespace},
        "regarding": {"kind": "Pod", "namespace": namespace, "name": name},
        "reason": event.reason,
        "note": event.message,
        "type": event.kind,
        "eventTime": None,
        "series": {"count": event.count, "lastObservedTime": event.last_seen},
        "deprecatedLastTimestamp": event.last_seen,
    }


def new_event(event, namespace, name):
    """As `events.k8s.io/v1` writes one of its own."""
    made = old_event(event, namespace, name)
    del made["deprecatedLastTimestamp"]
    return made | {"eventTime": event.last_seen}


@pytest.mark.parametrize("written", [core_event, old_event, new_event])
@given(st.data())
def test_events_are_read(read, written, data):
    namespace, name = data.draw(NAMES), data.draw(NAMES)
    event = EventObject(
        about=f"Pod {namespace}/{name}",
        reason=data.draw(NAMES),
        message=data.draw(WORDS),
        kind=data.draw(st.sampled_from(["Normal", "Warning"])),
        count=data.draw(COUNTS),
        last_seen=data.draw(TIMES),
    )
    evidence = read(json.dumps({"kind": "List", "apiVersion": "v1", "items": [written(event, namespace, name)]}))
    assert values(evidence.events) == [event]
    assert evidence.skipped == ()


# --- objects of the CNI plugin and of Karpenter ---------------------------------------------------------------------------------


@given(NAMES, st.lists(st.tuples(NAMES, NAMES), max_size=3))
def test_a_cninode_is_read(read, name, features):
    made = [{"name": each, "value": value} for each, value in features]
    document = {"kind": "CNINode", "apiVersion": "vpcresources.k8s.aws/v1alpha1", "metadata": {"name": name}, "spec": {"features": made}}
    assert values(read(json.dumps(document)).cni_nodes) == [CniNode(name, tuple(features))]


@given(NAMES, NAMES, st.lists(NAMES, max_size=3))
def test_an_eniconfig_is_read(read, name, subnet_id, groups):
    spec = {"subnet": subnet_id} | ({"securityGroups": groups} if groups else {})
    document = {"kind": "ENIConfig", "apiVersion": "crd.k8s.amazonaws.com/v1alpha1", "metadata": {"name": name}, "spec": spec}
    assert values(read(json.dumps(document)).eni_configs) == [EniConfig(name, subnet_id, tuple(groups))]


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
        st.tuples(NAMES, st.lists(NAMES, min_size=1, max_size=3)),
        min_size=1,
        max_size=3,
    )
)
def test_the_eniconfigs_of_introspection_are_read(read, made):
    """Before v1.8 /v1/eni-configs has all of them. Since then it has the name of the node's only."""
    shown = {name: {"subnet": subnet_id, "securityGroups": groups} for name, (subnet_id, groups) in made.items()}
    evidence = read(json.dumps({"MyENI": next(iter(made)), "ENI": shown}))
    assert values(evidence.eni_configs) == [EniConfig(name, subnet_id, tuple(groups)) for name, (subnet_id, groups) in made.items()]
    assert (evidence.skipped, evidence.documents[0].releases) == ((), Releases("", "v1.8.0"))
    name = next(iter(made))
    evidence = read(json.dumps(name))
    assert values(evidence.eni_configs) == [EniConfig(name)]
    assert evidence.documents[0].releases == Releases("v1.8.0")


@pytest.mark.parametrize(("kind", "within"), [("NodePool", ("template", "spec")), ("EC2NodeClass", ())])
@given(st.tuples(NAMES, st.none() | COUNTS, st.none() | COUNTS))
def test_what_karpenter_sets_is_read(read, kind, within, values_set):
    name, max_pods, pods_per_core = values_set
    kubelet = {key: value for key, value in (("maxPods", max_pods), ("podsPerCore", pods_per_core)) if value is not None}
    spec = {"kubelet": kubelet}
    for each in reversed(within):
        spec = {each: spec}
    document = {"kind": kind, "apiVersion": "karpenter.sh/v1", "metadata": {"name": name}, "spec": spec}
    assert values(read(json.dumps(document)).kubelet_limits) == [KubeletLimits(f"{kind} {name}", max_pods, pods_per_core)]


# --- variables -----------------------------------------------------------------------------------------------------------------

VARIABLES = st.fixed_dictionaries(
    {},
    optional={
        "WARM_IP_TARGET": st.integers(1, 50).map(str),
        "MINIMUM_IP_TARGET": st.integers(1, 50).map(str),
        "WARM_ENI_TARGET": st.integers(0, 5).map(str),
        "MAX_ENI": st.integers(1, 8).map(str),
        "ENABLE_PREFIX_DELEGATION": st.sampled_from(["true", "false"]),
        "IP_COOLDOWN_PERIOD": st.integers(0, 60).map(str),
        "ENABLE_POD_ENI": st.sampled_from(["true", "false"]),
    },
)


def container(env):
    return {"name": "aws-node", "image": "amazon-k8s-cni:v1.21.1", "env": [{"name": name, "value": value} for name, value in env.items()]}


@pytest.mark.parametrize("kind", ["DaemonSet", "Pod"])
@given(VARIABLES)
def test_the_variables_of_aws_node_are_read(read, kind, env):
    spec = {"containers": [container(env)]}
    document = {"kind": kind, "apiVersion": "v1", "metadata": {"namespace": "kube-system", "name": "aws-node"}}
    document["spec"] = {"template": {"spec": spec}} if kind == "DaemonSet" else spec
    (settings,) = values(read(json.dumps(document)).settings)
    assert settings.variables == Settings.from_env(env).variables


@given(VARIABLES, VARIABLES, st.booleans())
def test_helm_values_are_read(read, env, extra, is_typed):
    """They apply on top of the shipped manifest, and `extraEnv` on top of `env`."""
    typed = {name: json.loads(text) if is_typed else text for name, text in env.items()}
    document = {"env": typed, "extraEnv": [{"name": name, "value": value} for name, value in extra.items()]}
    if not env and not extra:
        return
    evidence = read(json.dumps(document))
    (settings,) = values(evidence.settings)
    assert settings.variables == Settings().with_variables(env | extra).variables
    assert settings == Settings().with_variables(env | extra)
    assert evidence.skipped == ()


TYPED = st.fixed_dictionaries(
    {
        "WARM_IP_TARGET": st.integers(1, 50),
        "WARM_ENI_TARGET": st.integers(0, 5),
        "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": st.booleans(),
    },
    optional={"AWS_MANAGE_ENIS_NON_SCHEDULABLE": st.booleans(), "ENABLE_SUBNET_DISCOVERY": st.booleans()},  # v1.12.6, v1.18.0
)


@given(TYPED)
def test_the_env_settings_of_introspection_are_read(read, env):
    evidence = read(json.dumps(env))
    (settings,) = values(evidence.settings)
    texts = {name: str(value).lower() for name, value in env.items()}
    assert settings.variables.items() >= Settings().with_variables(texts).variables.items() & texts.items()
    assert evidence.skipped == ()

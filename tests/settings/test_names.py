"""Lists of which only some entries have a name: variables need one, other things don't."""

import copy
import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from aws_node_documents import ENV, READ, daemonset
from vpcipam.errors import ManifestError
from vpcipam.settings import Settings

NAMELESS = ({}, {"name": None}, {"name": ""}, {"name": 5}, {"name": ["WARM_IP_TARGET"]})
VARIABLE_LISTS = {
    "DaemonSet": daemonset,
    "container": lambda env: {"name": "aws-node", "env": env},
    "list of variables": lambda env: env,
    "list of containers": lambda env: [{"name": "aws-node", "image": "x", "env": env}],
    "extraEnv": lambda env: {"env": {"WARM_IP_TARGET": "5"}, "extraEnv": env},
    "add-on": lambda env: {
        "addon": {"addonName": "vpc-cni", "configurationValues": json.dumps({"env": {"WARM_IP_TARGET": "5"}, "extraEnv": env})}
    },
}
nameless = st.sampled_from(NAMELESS)
others = st.lists(st.tuples(nameless, st.integers(0, 3)), min_size=1, max_size=3)


def read(document):
    return Settings.from_daemonset(json.dumps(document))


def mixed(named, additions):
    """A list with further entries at some places."""
    found = copy.deepcopy(named)
    for entry, place in additions:
        found.insert(min(place, len(found)), dict(entry))
    return found


@pytest.mark.parametrize("shape", VARIABLE_LISTS)
@given(additions=others, more=st.sampled_from([{"value": "7"}, {"valueFrom": {"fieldRef": {}}}, {}]))
def test_a_variable_without_a_name_is_refused_by_its_place(shape, additions, more):
    read(VARIABLE_LISTS[shape](ENV))
    env = mixed(ENV, [({**entry, **more}, place) for entry, place in additions])
    first = 1 + next(place for place, entry in enumerate(env) if not isinstance(entry.get("name"), str) or not entry["name"])
    with pytest.raises(ManifestError, match=f"entry {first} of .*must have a name, as text"):
        read(VARIABLE_LISTS[shape](env))


def containers(key):
    def document(additions):
        found = daemonset()
        spec = found["spec"]["template"]["spec"]
        spec[key] = mixed(spec[key], [({**entry, "env": [{"name": "WARM_IP_TARGET", "value": "9"}]}, place) for entry, place in additions])
        return found

    return document


def items(additions):
    nameless_objects = [({"kind": "ConfigMap", "metadata": entry}, place) for entry, place in additions]
    return {"kind": "List", "items": mixed([daemonset()], nameless_objects)}


def addons(additions):
    ours = {"name": "vpc-cni", "configurationValues": json.dumps({"env": {"WARM_IP_TARGET": "5", "WARM_PREFIX_TARGET": "0"}})}
    groups = mixed([{"name": "g"}], [({**entry, "maxPodsPerNode": 9}, place) for entry, place in additions])
    return {"kind": "ClusterConfig", "apiVersion": "eksctl.io/v1alpha5", "addons": mixed([ours], additions), "nodeGroups": groups}


OTHER_LISTS = {"containers": containers("containers"), "initContainers": containers("initContainers"), "items": items, "addons": addons}


@pytest.mark.parametrize("shape", OTHER_LISTS)
@given(additions=others)
def test_other_things_without_a_name_change_nothing(shape, additions):
    settings = read(OTHER_LISTS[shape](additions))
    assert settings == read(OTHER_LISTS[shape]([]))
    assert settings == READ or shape == "addons"
    assert settings.warm_ip_target == 5


@given(additions=others)
def test_a_document_of_nameless_things_alone_is_refused(additions):
    entries = [dict(entry) for entry, _ in additions]
    for document in (
        entries,
        {"kind": "List", "items": entries},
        {"kind": "ClusterConfig", "addons": entries},
        daemonset() | {"spec": {"containers": entries}},
    ):
        with pytest.raises(ManifestError):
            read(document)

"""A random node of ours, written in each shape of each document, and read again: the same facts, except those that the shape lacks."""

import io
import json
import tarfile

import attrs
import pytest
from cluster_answers import (
    EC2_ACTIONS,
    as_list,
    as_typed_list,
    described,
    ec2_pages,
    eni_config_value,
    node_value,
    object_of,
    pod_values,
    reserve,
    shown_in_description,
    without,
)
from document_texts import texts_of
from hypothesis import given, settings
from hypothesis import strategies as st
from node_answers import CHECKPOINT_RELEASES, RELEASES, checkpoint_text, enis_answer, held_count, parts, pods_answer, total_count
from random_nodes import IPV4_NODES, NODES, random_nodes

from vpcipam.address import Cidr, address_text
from vpcipam.inspection.evidence import NodePod
from vpcipam.inspection.releases import Releases

A_FEW = settings(max_examples=max(6, settings.default.max_examples // 4))  # each makes whole nodes; by night there are thousands

ANY = Releases()
NEVER = Releases("v0.0.0", "v0.0.0")

# The facts of a node, and the releases in which a document shows them. A fact that is lost anywhere else is a failure, and so is one that
# is invented. What has no column here is never shown: see the tests of the other documents.
SHOWN = {
    # fact of an ENI           /v1/enis
    "eni": {"enis": ANY},
    "primary": {"enis": ANY},
    "device number": {"enis": ANY},
    "trunk": {"enis": Releases("v1.7.0")},
    "efa": {"enis": Releases("v1.7.6")},
    "network card": {"enis": Releases("v1.20.0")},
    "route table": {"enis": Releases("v1.20.3")},
    "subnet": {"enis": Releases("v1.22.0")},
    "excluded": {"enis": Releases("v1.22.0")},
    # fact of a CIDR
    "cidr": {"enis": ANY},
    "prefix": {"enis": ANY},
    # fact of an address       /v1/enis                                    ipam.json
    "held": {"enis": ANY, "checkpoint": ANY},
    "free": {"enis": ANY},
    "sandbox": {"enis": Releases("v1.7.0", "v1.23.0"), "checkpoint": ANY},
    "pod": {"enis": Releases("v1.11.0"), "checkpoint": Releases("v1.11.0")},
    "assigned at": {"enis": Releases("v1.11.0"), "checkpoint": Releases("v1.11.0")},
    "unassigned at": {"enis": Releases("v1.5.0")},
    # counts of a card
    "total": {"enis": ANY},
    "assigned": {"enis": ANY},
}
# Which members of values the answers about an account never show. `kubectl describe node` has names of pods only.
NEVER_SHOWN = {
    "describe_network_interfaces": {"created_ns"},  # of an ENI
    "describe_instances": {"created_ns", "tags"},  # of its ENIs
    "describe_subnets": set(),
    "describe_instance_types": set(),  # about trunks EC2 says nothing; the library's table does, for the types that it has
    "get_subnet_cidr_reservations": set(),
}


# --- facts ---------------------------------------------------------------------------------------------------------------


def shown(facts, document, release):
    """Those of some facts that a document of a release shows."""
    return {fact for fact in facts if SHOWN[fact[0]].get(document, NEVER).include(release)}


def facts_of_node(made, cards):
    """The facts of a node, as triples of the kind, the subject and the value."""
    for card in cards:
        enis = made.enis(card)
        yield from (("total", card, total_count(enis)), ("assigned", card, held_count(enis)))
        for eni in enis:
            yield from _facts_of_eni(eni)
            for cidr, used in eni.cidrs.items():
                yield from (("cidr", eni.eni_id, cidr), ("prefix", cidr, "/32" not in cidr))
                yield from (("free", address, eni.eni_id) for address in listed(cidr) if not (address in used and used[address].held))
                for address, each in used.items():
                    yield from _facts_of_address(address, eni.eni_id, each)


def facts_of_evidence(evidence):
    """The facts that were read, in the same form. Of an ENI in which the text breaks off, they are not all."""
    for fact in evidence.cards:
        card = fact.value.network_card or 0
        yield from (("total", card, fact.value.total_count), ("assigned", card, fact.value.assigned_count))
    for eni in (fact.value for fact in evidence.enis):
        yield from _facts_of_eni(eni)
        for cidr in eni.cidrs:
            yield from (("cidr", eni.eni_id, cidr.cidr), ("prefix", cidr.cidr, cidr.is_prefix))
            held = {each.address for each in cidr.addresses if each.held}
            if not eni.cut:
                yield from (("free", address, eni.eni_id) for address in listed(cidr.cidr) if address not in held)
            for each in cidr.addresses:
                yield from _facts_of_address(each.address, eni.eni_id, each)


def _facts_of_eni(eni):
    names = {"primary": eni.primary, "device number": eni.device_number, "trunk": eni.trunk, "efa": eni.efa}
    names |= {"network card": eni.network_card, "route table": eni.route_table_id, "subnet": eni.subnet_id, "excluded": eni.excluded}
    yield ("eni", eni.eni_id, "")
    yield from ((name, eni.eni_id, value) for name, value in names.items() if value is not None)


def _facts_of_address(address, eni_id, each):
    if each.held:
        yield ("held", address, eni_id)
    facts = {"sandbox": each.key, "pod": each.pod, "assigned at": each.assigned_ns, "unassigned at": each.unassigned_ns}
    yield from ((name, address, value) for name, value in facts.items() if value is not None)


def listed(cidr):
    """The addresses of a CIDR; none of an IPv6 prefix."""
    parsed = Cidr.parse(cidr)
    return [address_text(parsed.first + offset, 4) for offset in range(parsed.size)] if parsed.version == 4 else []


def writable(release):
    """The kinds of nodes that a release could be on: prefixes came with v1.9, IPv6 with v1.10."""
    if parts(release) < (1, 9, 0):
        return [name for name in IPV4_NODES if "prefixes" not in name]
    return IPV4_NODES if parts(release) < (1, 10, 0) else sorted(NODES)


def cards_shown(made, release):
    return made.cards if parts(release) >= (1, 20, 0) else [0]


def read_again(read, data, documents):
    """Read documents that are written in some way. If that leaves no dirt in the text, nothing may be skipped."""
    text, dirty = data.draw(texts_of(documents))
    evidence = read(text)
    assert dirty or evidence.skipped == ()
    return evidence


# --- /v1/enis ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
@A_FEW
@given(data=st.data())
def test_enis_show_the_node_except_what_the_release_lacks(read, release, data):
    made = data.draw(random_nodes(writable(release)))
    evidence = read_again(read, data, [enis_answer(made, release)])
    assert set(facts_of_evidence(evidence)) == shown(facts_of_node(made, cards_shown(made, release)), "enis", release)
    (document,) = evidence.documents
    assert document.releases.include(release)
    assert document.remarks == ()


@pytest.mark.parametrize("release", ["v1.7.0", "v1.11.0", "v1.20.3", "v1.23.0"])
@A_FEW
@given(data=st.data())
def test_with_the_checkpoint_each_sandbox_is_known(read, release, data):
    made = data.draw(random_nodes(writable(release)))
    cards = cards_shown(made, release)
    evidence = read(enis_answer(made, release), *(checkpoint_text(made, card, release) for card in cards))
    assert evidence.skipped == ()
    found = {(each.network_card or 0, each.address): each for each in evidence.held_addresses()}
    assert len(found) == len(evidence.held_addresses())
    assert {place: each.key for place, each in found.items()} == {
        (card, address): used.key for card in cards for address, used in made.held(card).items()
    }
    assert all(len(each.sources) == 2 and each.eni_id is not None for each in found.values())
    if parts(release) >= (1, 11, 0):
        assert all((each.pod, each.assigned_ns) == (made.used[place].pod, made.used[place].assigned_ns) for place, each in found.items())


def bundle_of(made, release, *names):
    """An archive of a node with its answer of /v1/enis or its checkpoint."""
    archive = io.BytesIO()
    contents = {"enis.json": json.dumps(enis_answer(made, release)).encode(), "ipam.json": checkpoint_text(made, 0, release)}
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(contents[name])
            tar.addfile(entry, io.BytesIO(contents[name]))
    return archive.getvalue()


@A_FEW
@given(random_nodes(["secondary IPs", "prefixes"]))
def test_a_checkpoint_is_joined_within_its_bundle_only(read, made):
    together = read(bundle_of(made, "v1.23.0", "enis.json", "ipam.json")).held_addresses()
    assert {each.address: each.key for each in together} == {address: used.key for address, used in made.held(0).items()}
    assert all(each.eni_id is not None for each in together)
    apart = read(bundle_of(made, "v1.23.0", "enis.json"), bundle_of(made, "v1.23.0", "ipam.json")).held_addresses()
    assert all((each.key is None) == (each.eni_id is not None) for each in apart)
    assert len(apart) == 2 * len(made.held(0))


# --- ipam.json, /v1/pods, metrics --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", CHECKPOINT_RELEASES)
@A_FEW
@given(data=st.data())
def test_a_checkpoint_shows_the_sandboxes_of_its_card(read, release, data):
    made = data.draw(random_nodes(writable(release)))
    card = data.draw(st.sampled_from(made.cards))
    evidence = read_again(read, data, [json.loads(checkpoint_text(made, card, release))])
    found = set()
    for each in (fact.value for fact in evidence.allocations):
        found |= {("held", each.address, None), ("sandbox", each.address, each.key)}
        found |= {("pod", each.address, each.pod)} if each.pod else set()
        found |= {("assigned at", each.address, each.assigned_ns)} if each.assigned_ns else set()
    known = {(kind, subject, None if kind == "held" else value) for kind, subject, value in facts_of_node(made, [card])}
    held = made.held(card)
    assert found == {fact for fact in shown(known, "checkpoint", release) if fact[1] in held}
    (document,) = evidence.documents
    assert document.releases.include(release)


@A_FEW
@given(random_nodes(IPV4_NODES), st.data())
def test_the_pods_of_old_releases_are_those_of_the_first_card(read, made, data):
    evidence = read_again(read, data, [pods_answer(made) or {"AvailableCommands": []}])
    devices = {cidr: eni.device_number for eni in made.enis(0) for cidr in eni.cidrs}
    place = {address: device for cidr, device in devices.items() for address in listed(cidr)}
    assert {each.value for each in evidence.node_pods} == {
        NodePod(used.pod, used.key.container_id, address, place[address]) for address, used in made.held(0).items()
    }


@A_FEW
@given(random_nodes())
def test_metrics_are_those_of_the_node(read, made):
    evidence = read(made.metrics.text(made.now_ns))
    assert evidence.skipped == ()
    samples = [(family.name, sample) for family in made.metrics.families(made.now_ns) for sample in family.samples]
    assert [(each.value.name, each.value.labels, each.value.value) for each in evidence.metrics] == [
        (name, sample.labels, sample.value) for name, sample in samples if name.startswith("awscni_")
    ]


# --- EC2 ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", EC2_ACTIONS)
@A_FEW
@given(data=st.data())
def test_answers_of_ec2_show_the_account(read, action, data):
    made = data.draw(random_nodes())
    pages = ec2_pages(made, action, None if action == "describe_instance_types" else data.draw(st.sampled_from([None, 5])))
    evidence = read_again(read, data, pages)
    now_ns, hidden = made.now_ns, NEVER_SHOWN[action]
    if action == "describe_network_interfaces":
        assert values(evidence.network_interfaces) == [
            without(each, *hidden) for each in made.model.describe_network_interfaces(now_ns=now_ns)
        ]
    elif action == "describe_instances":
        (instance,) = made.model.describe_instances(now_ns=now_ns)
        enis = tuple(without(each, *hidden) for each in instance.network_interfaces)
        assert values(evidence.instances) == [attrs.evolve(instance, network_interfaces=enis)]
    elif action == "describe_subnets":
        assert values(evidence.subnets) == list(made.model.describe_subnets(now_ns=now_ns))
    else:
        assert values(evidence.instance_types) == [made.node.limits]


@A_FEW
@given(random_nodes(), st.data())
def test_reservations_are_read(read, made, data):
    answer, reservations = reserve(made)
    assert values(read_again(read, data, [answer]).reservations) == list(reservations)


# --- Kubernetes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["List", "lists", "stream"])
@A_FEW
@given(made=random_nodes(), data=st.data())
def test_objects_of_kubernetes_are_read_in_every_list(read, form, made, data):
    node = node_value(made, ready=data.draw(st.booleans()), cordoned=data.draw(st.booleans()))
    pods, config = pod_values(made, node.name), eni_config_value(made)
    objects = [object_of(each) for each in (node, *pods, config)]
    documents = {
        "List": lambda: [as_list(objects)],
        "lists": lambda: [as_typed_list(objects[:1]), as_typed_list(objects[1:-1]), as_typed_list(objects[-1:])],
        "stream": lambda: objects,
    }[form]()
    evidence = read_again(read, data, documents)
    assert values(evidence.nodes) == [node]
    assert values(evidence.pods) == pods
    assert values(evidence.eni_configs) == [config]


@A_FEW
@given(random_nodes(), st.sampled_from([True, False]), st.booleans())
def test_a_description_shows_the_node_and_the_names_of_its_pods(read, made, ready, cordoned):
    node = node_value(made, ready=ready, cordoned=cordoned)
    pods = [each for each in pod_values(made, node.name) if each.node_name]
    evidence = read(described(node, pods))
    assert evidence.skipped == ()
    assert values(evidence.nodes) == [node]
    assert values(evidence.pods) == shown_in_description(pods)


@A_FEW
@given(random_nodes(), random_nodes(), st.data())
def test_all_documents_of_two_nodes_in_one_text_are_read(read, first, second, data):
    documents = [
        enis_answer(first, "v1.20.3"),
        *ec2_pages(first, "describe_network_interfaces"),
        as_list([object_of(each) for each in pod_values(first, "one")]),
        json.loads(json.dumps(enis_answer(second, "v1.22.0")).replace('"eni-', '"eni-f')),  # the ENIs of both models have the same ids
        *ec2_pages(second, "describe_subnets"),
    ]
    evidence = read_again(read, data, documents)
    assert len(evidence.enis) == sum(len(made.enis(card)) for made in (first, second) for card in made.cards)
    assert values(evidence.pods) == pod_values(first, "one")
    assert len(evidence.network_interfaces) == len(first.model.describe_network_interfaces(now_ns=first.now_ns))
    assert len(evidence.subnets) == len(second.model.subnets)


# --- a part of a text ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES)
@A_FEW
@given(data=st.data())
def test_a_text_that_breaks_off_invents_no_fact_of_enis(read, release, data):
    made = data.draw(random_nodes(writable(release)))
    text = json.dumps(enis_answer(made, release), indent=data.draw(st.sampled_from([None, 2])))
    evidence = read(text[: data.draw(st.integers(0, len(text) - 1))])
    assert set(facts_of_evidence(evidence)) <= shown(facts_of_node(made, cards_shown(made, release)), "enis", release)
    assert evidence.skipped


@A_FEW
@given(random_nodes(), st.data())
def test_a_part_of_a_text_invents_no_other_fact(read, made, data):
    pods, enis = pod_values(made, "one"), made.model.describe_network_interfaces(now_ns=made.now_ns)
    documents = [
        as_list([object_of(each) for each in pods]),
        *ec2_pages(made, "describe_network_interfaces"),
        json.loads(checkpoint_text(made, 0, "v1.20.0")),
    ]
    text = "\n".join(json.dumps(each, indent=data.draw(st.sampled_from([None, 2]))) for each in documents)
    begin = data.draw(st.integers(0, len(text)))
    evidence = read(text[begin : data.draw(st.integers(begin, len(text)))])
    assert {each.value for each in evidence.pods} <= set(pods)
    assert {each.value for each in evidence.network_interfaces} <= {without(each, "created_ns") for each in enis}
    assert {each.value for each in evidence.allocations} <= {*made.journals[0].restore(made.now_ns).assigned}


def values(facts):
    return [each.value for each in facts]

"""A node of ours, written as each release of ipamd shows it, and read again: the same state, or what that shape can't show."""

import io
import json
import tarfile

import hypothesis.strategies as st
from hypothesis import given
from node_answers import RELEASES, cards, checkpoint_of, enis_answer, parts

from vpcipam.address import AddressMode


def secondary_ips_only(release):
    return AddressMode.SECONDARY_IP if parts(release) < (1, 9, 0) else None


@given(st.sampled_from(RELEASES), st.data())
def test_enis_and_held_addresses_are_those_of_the_node(read, release, data):
    card = data.draw(cards(mode=secondary_ips_only(release)))
    evidence = read(enis_answer({0: card}, release))
    assert evidence.skipped == ()
    version = parts(release)
    (counts,) = [each.value for each in evidence.cards]
    assert counts.assigned_count == len(card.held())
    assert counts.network_card == (0 if version >= (1, 20, 0) else None)
    for fact in evidence.enis:
        assert [each.cidr for each in fact.value.cidrs] == card.cidrs[fact.value.eni_id]
        assert fact.value.primary == (fact.value.device_number == 0)
        assert (fact.value.trunk is None) == (version < (1, 7, 0))
        assert (fact.value.efa is None) == (version < (1, 7, 6))
        assert (fact.value.route_table_id is None) == (version < (1, 20, 3))
        assert (fact.value.subnet_id is None) == (version < (1, 22, 0))
    held = {each.address: each for each in evidence.held_addresses()}
    assert {address: each.eni_id for address, each in held.items()} == {address: each[0] for address, each in card.held().items()}
    for address, (_, key, pod, assigned_ns) in card.held().items():
        names_sandbox = (1, 7, 0) <= version < (1, 23, 0)
        assert held[address].key == (key if names_sandbox else None)
        assert (held[address].pod, held[address].assigned_ns) == ((pod, assigned_ns) if version >= (1, 11, 0) else (None, None))
    free = {each.address: each for fact in evidence.enis for cidr in fact.value.cidrs for each in cidr.addresses if not each.held}
    shows_times = version >= (1, 5, 0)
    assert set(card.unassigned_ns) <= set(free)
    assert all(free[address].unassigned_ns == (time if shows_times else None) for address, time in card.unassigned_ns.items())


@given(st.sampled_from(RELEASES), st.data())
def test_the_release_is_one_of_those_that_the_shape_implies(read, release, data):
    card = data.draw(cards(mode=secondary_ips_only(release)))
    (document,) = read(enis_answer({0: card}, release)).documents
    assert document.releases.include(release)


@given(st.sampled_from([each for each in RELEASES if parts(each) >= (1, 7, 0)]), st.data())
def test_with_the_checkpoint_every_sandbox_is_known(read, release, data):
    card = data.draw(cards(mode=secondary_ips_only(release)))
    evidence = read(enis_answer({0: card}, release), checkpoint_of(card, release))
    assert evidence.skipped == ()
    held = {each.address: each for each in evidence.held_addresses()}
    assert len(held) == len(evidence.held_addresses())
    assert {address: (each.eni_id, each.key) for address, each in held.items()} == {
        address: (eni_id, key) for address, (eni_id, key, _, _) in card.held().items()
    }
    assert all(len(each.sources) == 2 for each in held.values())
    if parts(release) >= (1, 11, 0):
        assert {address: (each.pod, each.assigned_ns) for address, each in held.items()} == {
            address: (pod, assigned_ns) for address, (_, _, pod, assigned_ns) in card.held().items()
        }


@given(st.lists(cards(card=1), min_size=1, max_size=1), cards(), st.sampled_from(["v1.20.0", "v1.22.0", "v1.23.0"]))
def test_several_cards_are_told_apart_and_each_has_a_checkpoint(read, others, first, release):
    by_card = dict(enumerate((first, *others)))
    evidence = read(enis_answer(by_card, release), *(checkpoint_of(card, release) for card in by_card.values()))
    assert {(each.address, each.network_card, each.key) for each in evidence.held_addresses()} == {
        (address, index, key) for index, card in by_card.items() for address, (_, key, _, _) in card.held().items()
    }


def bundle_of(card, release, *names):
    """An archive of a node with its answer of /v1/enis or its checkpoint."""
    archive = io.BytesIO()
    contents = {"enis.json": json.dumps(enis_answer({0: card}, release)).encode(), "ipam.json": checkpoint_of(card, release)}
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(contents[name])
            tar.addfile(entry, io.BytesIO(contents[name]))
    return archive.getvalue()


@given(cards())
def test_a_checkpoint_is_joined_within_its_bundle_only(read, card):
    together = read(bundle_of(card, "v1.23.0", "enis.json", "ipam.json")).held_addresses()
    assert {(each.address, each.eni_id, each.key) for each in together} == {
        (address, eni_id, key) for address, (eni_id, key, _, _) in card.held().items()
    }
    apart = read(bundle_of(card, "v1.23.0", "enis.json"), bundle_of(card, "v1.23.0", "ipam.json")).held_addresses()
    assert all((each.key is None) == (each.eni_id is not None) for each in apart)
    assert len(apart) == 2 * len(card.held())


@given(cards(mode=AddressMode.IPV6), st.sampled_from(["v1.10.0", "v1.19.6", "v1.22.0"]))
def test_ipv6_prefixes_are_read(read, card, release):
    evidence = read(enis_answer({0: card}, release))
    assert {each.address: each.key for each in evidence.held_addresses()} == {
        address: key for address, (_, key, _, _) in card.held().items()
    }
    assert all(cidr.is_prefix for fact in evidence.enis for cidr in fact.value.cidrs)


@given(cards(), st.sampled_from(["v1.7.0", "v1.11.0", "v1.23.0"]))
def test_a_checkpoint_alone_shows_its_sandboxes_and_no_eni(read, card, release):
    evidence = read(checkpoint_of(card, release))
    assert {(each.address, each.key, each.eni_id) for each in evidence.held_addresses()} == {
        (address, key, None) for address, (_, key, _, _) in card.held().items()
    }
    (document,) = evidence.documents
    assert any("ENIs" in text for text in document.cannot_show)

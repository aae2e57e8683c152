"""What each rule says, and what it keeps quiet about."""

import io
import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.inspection.audit import audit, audit_survey
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.readers import read_files
from vpcipam.inspection.survey import survey
from vpcipam.limits import InstanceLimits
from vpcipam.node.interfaces import CLUSTER_TAG, INSTANCE_TAG, NO_MANAGE_TAG, SUBNET_ROLE_TAG
from vpcipam.settings import Settings

PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}
CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
DAY_NS = 86_400 * 1_000_000_000
TWO_CARDS = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 1))


def only(findings, rule):
    """The one finding of a rule."""
    (found,) = (finding for finding in findings if finding.rule == rule)
    return found


# --- nothing to find -----------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(["t3.small", "m5.large"]),
    st.sampled_from([{}, PREFIXES, {"WARM_IP_TARGET": "3"}, {**PREFIXES, "WARM_IP_TARGET": "20"}, {"MAX_ENI": "2"}, IPV6]),
    st.integers(0, 12),
)
def test_a_node_that_the_library_runs_breaks_no_rule(account, name, variables, pods):
    assert account(name, variables, pods=pods, ipv6=variables is IPV6, cidr="10.0.0.0/22").audit() == ()


# --- limits ------------------------------------------------------------------------------------------------------------


def fewer(**limits):
    return lambda node: attrs.evolve(node, limits=InstanceLimits(instance_type="t3.small", **limits))


def test_more_enis_than_the_type_takes(account, rules):
    here = account("t3.small", pods=6)
    assert rules(here.audit(change=fewer(eni_limit=3, ipv4_per_eni=4))) == []
    found = only(here.audit(change=fewer(eni_limit=2, ipv4_per_eni=4)), "too-many-enis")
    assert str(found).startswith("card 0: has 3 ENIs, and t3.small is known to take 2 on it; the limits may be outdated")


def test_more_enis_than_max_eni(account, rules):
    here = account("t3.small", pods=6)
    assert "too-many-enis" not in rules(here.audit({"MAX_ENI": "3"}))
    assert "has 3 ENIs, and MAX_ENI is 2" in only(here.audit({"MAX_ENI": "2"}), "too-many-enis").message


def test_max_eni_does_not_hold_on_a_card_that_is_not_managed(account, rules):
    here = account(TWO_CARDS, start=False)
    here.attach(network_card=1, device_index=0)
    node = here.read(find_limits=lambda _: TWO_CARDS)
    assert rules(audit_survey(survey(node, Settings().with_variables({"MAX_ENI": "1"})))) == []


def test_enis_on_a_card_that_the_type_does_not_have(account, eni_changed):
    found = only(account(pods=3).audit(change=eni_changed(1, attachment={"network_card_index": 5})), "too-many-enis")
    assert found.where == "card 5"


def test_more_slots_than_the_type_has(account, rules):
    here = account("t3.small")
    found = only(here.audit(change=fewer(eni_limit=3, ipv4_per_eni=3)), "too-many-slots")
    assert found.message == "has 3 IPv4 addresses and prefixes, and t3.small is known to take 2 on an ENI"
    assert "too-many-slots" not in rules(here.audit(change=fewer(eni_limit=3, ipv4_per_eni=4)))


def test_more_ipv6_addresses_than_the_type_takes(account):
    here = account("m5.large", IPV6, ipv6=True)
    found = only(here.audit({}, change=fewer(eni_limit=3, ipv4_per_eni=4, ipv6_per_eni=0)), "too-many-slots")
    assert "has 1 IPv6 addresses" in found.message


def test_prefixes_on_a_type_that_takes_none(account, rules):
    here = account("t3.small", PREFIXES, pods=1)
    found = only(here.audit(change=fewer(eni_limit=3, ipv4_per_eni=4, hypervisor="xen")), "prefix-not-supported")
    assert found.message.startswith("has 10.0.0.16/28")
    plain = account("t3.small")
    assert "prefix-not-supported" not in rules(plain.audit(change=fewer(eni_limit=3, ipv4_per_eni=4, hypervisor="xen")))


# --- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ipv4_prefixes": ("10.0.0.35/28",)}, "'10.0.0.35/28' lies off its grid: the /28 around it is 10.0.0.32/28"),
        ({"ipv4_prefixes": ("10.0.0.32/27",)}, "'10.0.0.32/27' is an IPv4 /27, but must be an IPv4 /28"),
        ({"ipv4_prefixes": ("10.0.0.32",)}, "'10.0.0.32' is an IPv4 /32, but must be an IPv4 /28"),
        ({"ipv6_prefixes": ("2001:db8::/64",)}, "'2001:db8::/64' is an IPv6 /64, but must be an IPv6 /80"),
        ({"secondary_ips": ("10.0.0.32/28",)}, "'10.0.0.32/28' is an IPv4 /28, but must be an IPv4 /32"),
        ({"secondary_ips": ("2001:db8::1",)}, "'2001:db8::1' is an IPv6 /128, but must be an IPv4 /32"),
        ({"private_ip": "10.0.0.256"}, "'10.0.0.256' is not a CIDR"),
    ],
)
def test_a_cidr_that_ec2_never_gives(account, eni_changed, changes, message):
    found = only(account().audit(change=eni_changed(0, **changes)), "invalid-cidr")
    assert found.message.startswith(message)
    assert found.severity is Severity.FINDING


def test_an_eni_without_an_ipv4_address_is_no_fault(account, eni_changed, rules):
    found = account(pods=3).audit(change=eni_changed(1, private_ip="", secondary_ips=(), interface_type="efa-only"))
    assert rules(found) == ["unmanaged-eni?", "efa-eni?"]
    assert "is not managed by ipamd, as it has no IPv4 address; it takes one ENI of 3" in found[0].message


def test_addresses_outside_of_the_subnet(account, eni_changed):
    here = account()
    outside = tuple(f"10.0.1.{number}" for number in range(5, 10))
    found = only(here.audit(change=eni_changed(0, secondary_ips=outside)), "address-outside-subnet")
    assert found.message == f"has 10.0.1.5, 10.0.1.6, 10.0.1.7 and 2 more outside of {here.subnet_id}, which is 10.0.0.0/24"


def test_ipv6_addresses_belong_to_the_ipv6_cidr_of_the_subnet(account, eni_changed, rules):
    here = account("m5.large", IPV6, ipv6=True)
    assert rules(here.audit()) == []
    found = only(here.audit(change=eni_changed(0, ipv6_prefixes=("2001:db9::/80",))), "address-outside-subnet")
    assert "2001:db9::/80 outside of" in found.message
    assert found.message.endswith("which is 10.0.0.0/24 and 2001:db8::/64")


def test_a_subnet_that_makes_no_sense_is_one_finding(account, rules):
    found = account().audit(change=lambda node: attrs.evolve(node, subnets=(attrs.evolve(node.subnets[0], cidr="10.0.0.0/99"),)))
    assert rules(found) == ["invalid-cidr"]
    assert only(found, "invalid-cidr").message == "has the CIDR '10.0.0.0/99', which is invalid, so its addresses can't be checked"


@pytest.mark.parametrize("prefixes", [False, True])
def test_an_address_on_the_primary_eni_under_custom_networking(account, rules, prefixes):
    custom = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true", "ENABLE_PREFIX_DELEGATION": str(prefixes).lower()}
    here = account("m5.large", custom)
    assert "address-on-primary-eni" not in rules(here.audit())
    primary = here.node.datastores[0].eni_ids[0]
    here.model.assign_private_ip_addresses(primary, **{"ipv4_prefix_count" if prefixes else "secondary_ip_count": 1}, now_ns=here.now_ns)
    found = only(here.audit(), "address-on-primary-eni")
    assert found.where == primary
    assert found.message.startswith("is the primary ENI and has 10.0.0.")
    assert "/32" not in found.message
    assert "address-on-primary-eni" not in rules(here.audit({}))


def test_a_subnet_that_is_not_shown(account, rules):
    found = account().audit(change=lambda node: attrs.evolve(node, subnets=()))
    assert rules(found) == ["unknown-subnet"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"secondary_ips": ("10.0.0.5",)}, "10.0.0.5 overlaps 10.0.0.5 of eni-00000000000000001"),
        ({"secondary_ips": ("10.0.0.4",)}, "10.0.0.4 overlaps 10.0.0.4 of eni-00000000000000001"),
        ({"private_ip": "10.0.0.33", "secondary_ips": (), "ipv4_prefixes": ("10.0.0.32/28",)}, "overlaps 10.0.0.32/28 of the same ENI"),
    ],
)
def test_an_address_twice(account, eni_changed, changes, message):
    found = only(account(pods=3).audit(change=eni_changed(1, **changes)), "overlapping-cidrs")
    assert message in found.message
    assert found.where == "eni-00000000000000002"


def test_each_address_inside_of_a_prefix_is_told(account, eni_changed, rules):
    changes = {"secondary_ips": ("10.0.0.33", "10.0.0.35"), "ipv4_prefixes": ("10.0.0.32/28",)}
    found = account(pods=3).audit(change=eni_changed(1, **changes))
    assert rules(found).count("overlapping-cidrs") == 2


@given(st.data())
def test_whatever_the_library_leaves_out_is_a_finding(account, eni_changed, data):
    here = account(pods=3)
    texts = st.sampled_from(["10.0.0.5", "10.0.0.6/32", "10.0.0.300", "10.0.0.40", "10.0.1.3", "", "2001:db8::1"])
    prefixes = st.sampled_from(["10.0.0.0/28", "10.0.0.32/28", "10.0.0.33/28", "10.0.0.64/27", "10.0.0.36", "x"])
    changes = {
        "secondary_ips": tuple(data.draw(st.lists(texts, max_size=3))),
        "ipv4_prefixes": tuple(data.draw(st.lists(prefixes, max_size=2))),
        "attachment": {"device_index": data.draw(st.integers(0, 3))},
    }
    seen = here.survey(change=eni_changed(1, **changes))
    found = audit_survey(seen)
    offered = len(seen.enis[0].eni.secondary_ips) + len(changes["secondary_ips"])
    if seen.address_count < offered:
        assert {"invalid-cidr", "overlapping-cidrs", "duplicate-device-index"} & {
            finding.rule for finding in found if finding.severity is Severity.FINDING
        }


# --- modes ---------------------------------------------------------------------------------------------------------------


def test_settings_of_the_other_mode_are_a_finding(account, rules):
    here = account("t3.small", PREFIXES, pods=1)
    found = here.audit({})
    assert rules(found) == ["mode-mismatch", "mixed-modes?"]
    assert found[0].message == "has only prefixes, but by the given settings its slots hold secondary IPs"
    assert "--daemonset" in found[0].suggestion
    plain = account("t3.small").audit(PREFIXES)
    assert plain[0].message == "has only secondary IPs, but by the given settings its slots hold /28 prefixes"


def test_what_a_change_of_mode_left_behind_is_a_note(account, rules):
    here = account("t3.small")
    here.attach(ipv4_prefix_count=1)
    found = here.audit(PREFIXES)
    assert rules(found) == ["mixed-modes?"]
    assert "10.0.0.5/32, 10.0.0.6/32, 10.0.0.7/32" in found[0].message


def test_an_eni_that_ipamd_leaves_alone_may_hold_anything(account, rules):
    here = account("t3.small")
    here.attach(ipv4_prefix_count=1, tags=((NO_MANAGE_TAG, "true"),))
    assert rules(here.audit()) == ["unmanaged-eni?"]


def test_an_ipv6_node_without_its_prefix(account, rules):
    here = account("m5.large", IPV6, ipv6=True, start=False)
    assert rules(here.audit()) == ["no-ipv6-prefix"]


# --- places --------------------------------------------------------------------------------------------------------------


def test_an_eni_of_another_vpc_is_a_finding_unless_ipamd_leaves_it_alone(account, eni_changed):
    here = account(pods=3)
    managed = only(here.audit(change=eni_changed(1, vpc_id="vpc-other")), "other-vpc")
    assert managed.severity is Severity.FINDING
    left = only(here.audit(change=eni_changed(1, vpc_id="vpc-other", tags=((NO_MANAGE_TAG, "true"),))), "other-vpc")
    assert left.severity is Severity.NOTE


def test_an_eni_of_another_zone(account, eni_changed):
    found = only(account(pods=3).audit(change=eni_changed(1, availability_zone="us-east-1b")), "other-zone")
    assert found.message == "is in us-east-1b, and the instance in us-east-1a"


def test_device_indexes(account, eni_changed, rules):
    here = account("t3.small", pods=6)
    gap = here.audit(change=eni_changed(1, attachment={"device_index": 4}))
    assert [(each.where, each.message) for each in gap] == [("card 0", "has no ENI at device index 1, 3")]
    assert gap[0].severity is Severity.NOTE
    twice = only(here.audit(change=eni_changed(2, attachment={"device_index": 1})), "duplicate-device-index")
    assert twice.message == "has several ENIs at device index 1"
    missing = here.audit(change=lambda node: attrs.evolve(node, enis=node.enis[1:]))
    assert rules(missing) == ["no-primary-eni"]


def test_a_card_above_0_may_begin_at_any_index_and_says_so(account):
    here = account(TWO_CARDS, start=False)
    here.attach(network_card=1, device_index=1)
    found = audit_survey(survey(here.read(find_limits=lambda _: TWO_CARDS)))
    assert [(each.rule, each.where) for each in found] == [("device-index-gap", "card 1")]


# --- whose they are --------------------------------------------------------------------------------------------------------


def test_what_ipamd_made_and_stays_after_the_instance(account, rules, eni_changed):
    here = account(pods=3)
    stays = eni_changed(1, attachment={"delete_on_termination": False})
    found = only(here.audit(change=stays), "stays-after-termination")
    assert "DeleteOnTermination=true" in found.suggestion
    assert here.read().enis[1].attachment.attachment_id in found.suggestion
    here.attach()  # made by somebody else: it stays
    assert rules(here.audit()) == []
    assert (
        rules(here.audit(change=eni_changed(0, attachment={"delete_on_termination": False}, tags=((INSTANCE_TAG, here.instance_id),))))
        == []
    )


def test_unmanaged_enis_take_room(account):
    here = account("t3.small")
    here.attach()
    found = only(here.audit({"MANAGE_UNTAGGED_ENI": "false"}), "unmanaged-eni")
    assert found.message == (
        "is not managed by ipamd, as it has no tag of ipamd's, and MANAGE_UNTAGGED_ENI is off; it takes one ENI of 3, "
        "so the node can have 3 fewer pod addresses"
    )
    here.attach(tags=((NO_MANAGE_TAG, "true"),))
    tagged = [each for each in here.audit(PREFIXES) if each.rule == "unmanaged-eni"]
    assert "tagged node.k8s.amazonaws.com/no_manage=true; it takes one ENI of 3, so the node can have 48" in tagged[0].message


def test_an_unmanaged_eni_takes_no_addresses_from_an_ipv6_node(account):
    here = account("m5.large", IPV6, ipv6=True)
    here.attach(tags=((NO_MANAGE_TAG, "true"),))
    assert only(here.audit(), "unmanaged-eni").message.endswith("it takes one ENI of 3")


def test_trunk_and_efa(account, rules):
    here = account("m5.xlarge")
    here.attach(interface_type="efa")
    assert rules(here.audit({"ENABLE_POD_ENI": "true"})) == ["efa-eni?", "trunk-expected?"]
    here.attach(interface_type="trunk")
    assert rules(here.audit({"ENABLE_POD_ENI": "true"})) == ["efa-eni?", "trunk-eni?"]
    assert "though ENABLE_POD_ENI is off" in only(here.audit(), "trunk-eni").message


@pytest.mark.parametrize(
    ("instance_type", "variables", "free", "expected"),
    [
        ("m5.large", {}, 5, ("trunk-expected?", "which will take an address of the subnet too")),
        ("t3.large", {}, 5, ("no-trunk?", "is a t3.large, which takes no trunk ENI: ENABLE_POD_ENI keeps nothing back")),
        ("m5.large", {"MAX_ENI": "1"}, 5, ("no-trunk?", "no room for one: it has 1 of at most 1 ENI")),
        ("m5.large", {}, 0, ("no-trunk", "has no free address for one")),
        ("m5.large", CUSTOM, 0, ("trunk-expected?", "keeps the room for one")),
        ("m5.large", IPV6 | {"MAX_ENI": "1"}, 5, ("trunk-expected?", "keeps the room for one")),
    ],
)
def test_a_missing_trunk_is_explained(account, instance_type, variables, free, expected):
    here = account(instance_type, start=False, ipv6=True)
    here.fill(free)
    (found,) = (each for each in here.audit({"ENABLE_POD_ENI": "true"} | variables) if "trunk" in each.rule)
    rule, words = expected
    assert found.rule + ("?" if found.severity is Severity.NOTE else "") == rule
    assert words in found.message
    surveyed = here.survey({"ENABLE_POD_ENI": "true"} | variables)
    assert surveyed.cards[0].trunk_expected == (rule != "no-trunk?")


def test_a_trunk_whose_subnet_was_not_read_is_expected(account, rules):
    here = account("m5.large", start=False)
    here.fill(0)
    settings = Settings().with_variables({"ENABLE_POD_ENI": "true"})
    found = audit_survey(survey(attrs.evolve(here.read(), subnets=()), settings))
    assert "trunk-expected?" in rules(found)
    found = audit_survey(survey(attrs.evolve(here.read(), enis=()), settings))
    assert "trunk-expected?" in rules(found)


# --- left behind -----------------------------------------------------------------------------------------------------------


def aged(age_ns):
    return lambda node: attrs.evolve(node, read_ns=age_ns)


@pytest.mark.parametrize(
    ("age_ns", "rule", "age"),
    [
        (0, "young-eni?", "0 s"),
        (119 * 10**9, "young-eni?", "119 s"),
        (300 * 10**9 - 1, "young-eni?", "4 min"),
        (300 * 10**9, "leaked-eni", "5 min"),
        (7_200 * 10**9, "leaked-eni", "2 h"),
        (40 * DAY_NS, "leaked-eni", "40 d"),
    ],
)
def test_an_eni_left_behind_is_a_finding_from_five_minutes_on(account, rules, age_ns, rule, age):
    here = account()
    eni_id = here.leave(secondary_ip_count=2)
    found = here.audit(change=aged(age_ns))
    assert rules(found) == [rule]
    assert found[0].where == eni_id
    assert f"holds 3 addresses; it is {age} old" in found[0].message


def test_an_eni_made_in_the_future_is_young(account, rules):
    here = account()
    here.leave("2030-01-01T00:00:00Z")
    found = here.audit()
    assert rules(found) == ["young-eni?"]
    assert "holds 1 address; it is 0 s old" in found[0].message


@pytest.mark.parametrize("made_at", [None, "yesterday", "1970-01-01T00:00:00"])
def test_an_eni_left_behind_whose_age_is_unknown(account, made_at):
    here = account()
    here.leave(made_at, ipv4_prefix_count=1)
    assert "holds 17 addresses; no node.k8s.amazonaws.com/createdAt tag tells its age" in only(here.audit(), "leaked-eni").message


def test_who_deletes_a_leaked_eni(account):
    here = account()
    here.leave()
    assert "any node of the VPC deletes it within the hour" in only(here.audit(change=aged(DAY_NS)), "leaked-eni").suggestion
    off = only(here.audit({"DISABLE_LEAKED_ENI_CLEANUP": "true"}, change=aged(DAY_NS)), "leaked-eni")
    assert off.suggestion.startswith("no node will delete it: aws ec2 delete-network-interface")
    other = account()
    other.leave(description="by hand")
    assert only(other.audit(change=aged(DAY_NS)), "leaked-eni").message.startswith("was created for this instance, is attached to nothing")
    assert "no node will delete it" in only(other.audit(change=aged(DAY_NS)), "leaked-eni").suggestion


@pytest.mark.parametrize(
    ("own", "cluster", "words"),
    [
        ("", "b", "any node of the VPC deletes it within the hour; if it stays: aws ec2"),
        ("a", "a", "any node of the cluster deletes it within the hour; if it stays: aws ec2"),
        ("a", "b", "it is not of cluster a, so only nodes of cluster b delete it; if it stays and you run that cluster: aws ec2"),
        ("a", None, "no node of cluster a deletes an ENI without the tag cluster.k8s.amazonaws.com/name; if no other cluster"),
    ],
)
def test_who_deletes_the_leaked_eni_of_a_cluster(account, own, cluster, words):
    here = account()
    eni_id = here.leave()
    if cluster:
        here.model.create_tags([eni_id], [(CLUSTER_TAG, cluster)], now_ns=here.now_ns)
    found = only(here.audit({"CLUSTER_NAME": own}, change=aged(DAY_NS)), "leaked-eni")
    assert found.suggestion.startswith(words)


# --- subnets and the instance ------------------------------------------------------------------------------------------------


def test_an_instance_that_does_not_run(account):
    stopped = lambda node: attrs.evolve(node, instance=attrs.evolve(node.instance, state="stopped"))  # noqa: E731 - as the others
    found = account().audit(change=stopped)
    assert [(each.rule, each.message) for each in found] == [("not-running", "is stopped: what is shown may change soon")]


def test_an_excluded_subnet_is_a_note_where_there_is_another(account, rules):
    here = account("t3.small", tags=((SUBNET_ROLE_TAG, "0"),), start=False)
    other = here.subnet("10.0.1.0/24", tags=((SUBNET_ROLE_TAG, "1"),))
    found = here.audit()
    assert rules(found) == ["excluded-subnet?"]
    assert found[0].message.endswith("the ENIs of this node in it (1) give pods no new addresses")
    assert here.survey().new_eni_subnets[0].subnet_id == other


def test_a_node_without_a_valid_subnet_gets_no_new_eni(account, rules):
    here = account("t3.small", tags=((SUBNET_ROLE_TAG, "0"),), start=False)
    found = here.audit()
    assert rules(found) == ["no-pod-addresses", "no-pod-subnet", "no-room-for-addresses", "excluded-subnet?"]
    assert found[1].message == "gets no new ENI: the tags of the subnets of its VPC in us-east-1a allow none"
    assert found[1].suggestion == f"tag another subnet of us-east-1a {SUBNET_ROLE_TAG}=1, or remove the tag of {here.subnet_id}"
    assert found[2].message.endswith("the tags of the subnets allow no new ENI")


def test_without_subnet_discovery_an_own_subnet_tagged_0_keeps_its_addresses_and_gets_no_new_eni(account, rules):
    here = account("t3.small", tags=((SUBNET_ROLE_TAG, "0"),), start=False)
    here.subnet("10.0.1.0/24", tags=((SUBNET_ROLE_TAG, "1"),))
    off = {"ENABLE_SUBNET_DISCOVERY": "false"}
    found = here.audit(off)
    assert rules(found) == ["no-pod-subnet"]
    assert found[0].suggestion.startswith("set ENABLE_SUBNET_DISCOVERY to true and tag another subnet")
    assert here.survey(off).address_limit == 3  # the slots of its first ENI


def test_a_subnet_of_other_clusters_is_excluded(account, rules):
    theirs = ((SUBNET_ROLE_TAG, "1"), ("cni.networking.k8s.aws/cluster/bank", ""))
    here = account("t3.small", tags=theirs, start=False)
    other = here.subnet("10.0.1.0/24", tags=((SUBNET_ROLE_TAG, "1"), ("cni.networking.k8s.aws/cluster/shop", "")))
    shop = {"CLUSTER_NAME": "shop"}
    found = here.audit(shop)
    assert rules(found) == ["excluded-subnet?"]
    assert found[0].message.startswith("has tags cni.networking.k8s.aws/cluster/…, none of them for this cluster: the ENIs")
    assert [subnet.subnet_id for subnet in here.survey(shop).new_eni_subnets] == [other]
    assert rules(here.audit()) == []


def test_a_node_without_an_eni_for_pods(account, rules):
    here = account("t3.small", start=False)
    assert rules(here.audit(CUSTOM | {"MAX_ENI": "1"})) == ["no-pod-addresses"]
    assert rules(here.audit(CUSTOM | {"MAX_ENI": "2"})) == []
    trunk = {"ENABLE_POD_ENI": "true", "MAX_ENI": "2"}
    (found, _) = account("m5.large", start=False).audit(CUSTOM | trunk)
    assert (found.rule, found.message.partition("; ")[2]) == ("no-pod-addresses", "one ENI is the trunk's (ENABLE_POD_ENI)")
    for _ in range(2):
        here.attach(tags=((NO_MANAGE_TAG, "true"),))
    assert rules(here.audit(CUSTOM)) == ["no-pod-addresses", "unmanaged-eni?", "unmanaged-eni?"]
    assert "no-pod-addresses" not in rules(here.audit())


def test_addresses_of_reservations_that_are_not_known_are_a_note(account, rules):
    here = account()
    here.model.create_subnet_cidr_reservation(here.subnet_id, "10.0.0.64/28", reservation_type="prefix", now_ns=0)
    assert here.audit() == ()
    found = here.audit(change=lambda node: attrs.evolve(node, reservations=None))
    assert rules(found) == ["unseen-addresses?"]
    assert found[0].message == "has 16 addresses that are neither free nor on an ENI: mostly CIDR reservations"


def test_addresses_that_are_nowhere_are_a_note_even_if_reservations_are_known(account, rules):
    here = account()

    def fewer(node):
        (shown,) = node.subnets
        return attrs.evolve(node, subnets=(attrs.evolve(shown, available_ip_address_count=shown.available_ip_address_count - 3),))

    found = here.audit(change=fewer)
    assert rules(found) == ["unseen-addresses?"]
    assert (
        found[0].message == "has 3 addresses that are neither free nor on an ENI nor in a CIDR reservation: EC2 has changed during the read"
    )


@pytest.mark.parametrize(("left", "enough"), [(3, False), (4, True)])
def test_a_subnet_must_hold_the_next_eni_and_its_addresses(account, rules, left, enough):
    here = account("t3.small")
    here.fill(left)
    found = here.audit()
    assert rules(found) == ([] if enough else ["no-room-for-addresses"])
    if not enough:
        assert found[0].message == (
            f"can't grow once its addresses are taken: {here.subnet_id} has 3 free addresses, and a new ENI would take 4"
        )


@pytest.mark.parametrize(("left", "enough"), [(1, False), (2, True)])
def test_free_slots_need_no_new_eni(account, rules, left, enough):
    here = account("t3.medium", {"WARM_IP_TARGET": "2"})
    here.fill(left)
    found = here.audit()
    assert rules(found) == ([] if enough else ["no-room-for-addresses"])
    if not enough:
        assert "more slots would take 2; " in found[0].message


def test_one_subnet_with_room_is_enough(account, rules):
    here = account("t3.small")
    here.fill(0)
    assert rules(here.audit()) == ["no-room-for-addresses"]
    here.subnet("10.0.1.0/24", tags=((SUBNET_ROLE_TAG, "1"),))
    assert rules(here.audit()) == []


def test_many_free_addresses_may_hold_no_prefix(account, rules):
    here = account("t3.small", PREFIXES, cidr="10.0.0.0/24")
    for number in range(2, 14):
        here.create(private_ip=f"10.0.0.{number * 16 + 3}")
    assert here.survey().subnets[0].free_prefix_bound == 1
    assert rules(here.audit()) == []
    here.create(private_ip="10.0.0.227")
    assert here.survey().subnets[0].free_count > 200
    found = only(here.audit(), "no-room-for-prefix")
    assert f"{here.subnet_id} has no free /28, and more slots would take 1" in found.message


def test_a_subnet_without_any_address_takes_no_eni_with_prefixes(account):
    here = account("t3.small", PREFIXES, cidr="10.0.0.0/25", start=False)
    (primary,) = here.read().enis
    here.model.assign_private_ip_addresses(primary.eni_id, ipv4_prefix_count=3, now_ns=0)
    here.model.create_subnet_cidr_reservation(here.subnet_id, "10.0.0.96/28", reservation_type="prefix", now_ns=0)
    here.fill(0)
    assert here.survey().subnets[0].free_prefix_bound == 1
    assert f"{here.subnet_id} has 0 free addresses, and a new ENI would take 17" in only(here.audit(), "no-room-for-prefix").message


def test_under_custom_networking_the_subnet_of_new_enis_is_not_known(account, rules):
    here = account("t3.small", start=False)
    here.fill(0)
    assert rules(here.audit(CUSTOM)) == []


def test_under_custom_networking_the_next_eni_is_in_the_subnet_of_the_last(account):
    here = account("m5.large", start=False)
    pods_subnet = here.subnet("10.0.2.0/24")
    here.attach(subnet_id=pods_subnet, description="aws-K8S-i", secondary_ip_count=9)
    here.fill(3, subnet_id=pods_subnet)
    found = only(here.audit(CUSTOM), "no-room-for-addresses")
    assert f"{pods_subnet} has 3 free addresses, and a new ENI would take 10" in found.message
    assert found.suggestion == "free addresses, or let the ENIConfig name a subnet with room, and replace the node"


def test_a_node_at_its_limit_needs_no_room(account, rules):
    here = account("t3.small", pods=7)
    here.fill(0)
    assert rules(here.audit()) == []


def test_slots_in_a_subnet_that_is_not_shown_may_have_room(account, rules):
    here = account("t3.medium", {"WARM_IP_TARGET": "2"})
    assert rules(here.audit(change=lambda node: attrs.evolve(node, subnets=()))) == ["unknown-subnet"]


# --- findings --------------------------------------------------------------------------------------------------------------


def test_findings_come_before_notes(account, rules):
    here = account("t3.small")
    here.attach(interface_type="efa")
    here.leave()
    assert rules(here.audit(change=aged(DAY_NS))) == ["leaked-eni", "efa-eni?"]


def test_a_finding_is_one_line():
    assert str(Finding("a-rule", Severity.NOTE, "eni-1", "is odd")) == "eni-1: is odd"
    assert str(Finding("a-rule", Severity.NOTE, "eni-1", "is odd", "look")) == "eni-1: is odd; look"


def test_an_audit_is_written_with_the_reasons_of_its_findings():
    line = b'{"level":"debug","ts":"","caller":"","msg":"DataStore has no available IP/Prefix addresses"}'
    written = audit(read_files([("ipamd.log", io.BytesIO(line))])).to_dict()
    (finding,) = json.loads(json.dumps(written))["findings"]
    assert (finding["rule"], finding["page"]) == ("log-no-address", "docs/inspecting.md#logs")
    assert finding["why"].endswith(".")
    assert "log-no-address" in written["checked"]
    assert written["unchecked"]


def test_what_was_read_is_not_missing_where_no_file_names_a_node():
    manifest = json.dumps({"env": [{"name": "WARM_IP_TARGET", "value": "2"}]}).encode()
    missing = {each.what for rule in audit(read_files([("env.json", io.BytesIO(manifest))])).unchecked for each in rule.missing}
    assert "the node's instance type, as a known type" in missing
    assert "the variables of the aws-node container" not in missing

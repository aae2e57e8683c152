"""The plan as text."""

import math
import re

import attrs
import pytest

from vpcipam.action import Action, ActionKind
from vpcipam.cli.plan_view import bar_lengths, show_plan
from vpcipam.cli.tables import Page
from vpcipam.limits import instance_limits
from vpcipam.planner import Decision, plan


def view(cli, *arguments):
    answer = cli("plan", *arguments)
    assert answer.code == 0
    return answer.out


def words(text):
    """The text without its line breaks."""
    return " ".join(text.split())


def show(answer, *, timeline=False):
    page = Page()
    show_plan(page, answer, instance_limits(answer.instance_type), timeline=timeline)
    return page.render()


def changed(answer, *actions):
    """A plan with the given actions of the node."""
    stage = attrs.evolve(answer.timeline[0], decisions=tuple(Decision(pods, 0.0, action) for pods, action in enumerate(actions)))
    return attrs.evolve(answer, timeline=(stage,))


# --- headline ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pods", "text"),
    [
        (0, "no pods"),
        (1, "1 pod runs"),
        (2, "all 2 pods run"),
        (27, "all 27 pods run"),
        (28, "27 of 28 pods run, 1 waits"),
        (40, "27 of 40 pods run, 13 wait"),
        (20_000, "27 of 20,000 pods run, 19,973 wait"),
    ],
)
def test_the_headline_says_how_many_pods_run(cli, pods, text):
    assert view(cli, "m5.large", "--pods", str(pods)).splitlines()[0] == f"m5.large · secondary IPs · {text}"


def test_the_reason_why_pods_wait_is_below_the_headline(cli):
    assert "Pods wait: the node runs at most 27 pods with a VPC address: 3 ENIs for pods × 9 slots." in words(
        view(cli, "m5.large", "--pods", "28")
    )
    assert "Pods wait" not in view(cli, "m5.large", "--pods", "27")


def test_a_node_that_never_settles_is_reported():
    answer = plan("m5.large", 1)
    assert "never settles" in show(attrs.evolve(answer, settled=False))
    assert "never settles" not in show(answer)


# --- ENIs ----------------------------------------------------------------------------------------------------------------


def test_each_eni_has_a_bar_of_its_slots(cli):
    lines = view(cli, "m5.large", "--pods", "12", "--set=WARM_IP_TARGET=1").splitlines()
    assert lines[2].split() == ["ENI", "addresses", "pods"]
    assert lines[4].split() == ["0", "primary", "9", "of", "9", "9", "#########"]
    assert lines[5].split() == ["1", "4", "of", "9", "3", "###+....."]
    assert lines[6] == "# with a pod, + attached and free, . empty slot"


def test_in_prefix_mode_a_bar_shows_addresses_and_the_count_prefixes(cli):
    lines = view(cli, "t3.small", "--pods", "17", "--set=ENABLE_PREFIX_DELEGATION=true").splitlines()
    assert lines[2].split() == ["ENI", "prefixes", "pods"]
    assert lines[4].split() == ["0", "primary", "3", "of", "3", "17", "#" * 9 + "+" * 15]


def test_the_card_is_shown_if_there_are_several(cli):
    assert "card" not in view(cli, "c6in.32xlarge", "--pods", "1")
    lines = view(cli, "c6in.32xlarge", "--pods", "1", "--set=ENABLE_MULTI_NIC=true").splitlines()
    assert lines[2].split()[:2] == ["card", "ENI"]
    assert [line.split()[0] for line in lines[4:7]] == ["0", "0", "1"]
    assert "attach an ENI on card 1 with 1" in words("\n".join(lines))


def test_ipv6_counts_are_powers_and_there_is_no_bar(cli):
    ipv6 = ("--set=ENABLE_IPv6=true", "--set=ENABLE_IPv4=false", "--set=ENABLE_PREFIX_DELEGATION=true")
    out = words(view(cli, "m5.large", "--pods", "5", "--nodes", "3", *ipv6))
    assert "m5.large · IPv6 addresses · all 5 pods run" in out
    assert "2^48 addresses in 1 prefix (0 without a pod): 5 in use, 2^48 − 5 free" in out
    assert "3 × 2^48 − 15" in out
    assert "empty slot" not in out


@pytest.mark.parametrize(
    ("instance_type", "prefixes", "cell"),
    [
        ("m5.large", False, ""),
        ("m5.12xlarge", False, ""),
        ("m5.24xlarge", False, "2 addresses"),
        ("t3.nano", True, ""),
        ("m5.large", True, "8 of the 16 addresses of a prefix"),
        ("m5.12xlarge", True, "a prefix of 16 addresses"),
        ("m5.24xlarge", True, "2 prefixes of 16 addresses"),
    ],
)
def test_the_legend_says_what_a_cell_of_a_bar_stands_for(cli, instance_type, prefixes, cell):
    out = words(view(cli, instance_type, "--pods", "1", *(["--set=ENABLE_PREFIX_DELEGATION=true"] if prefixes else [])))
    assert re.search("empty slot.*?(?= attached)", out)[0] == f"empty slot{cell and f' a cell stands for {cell}'}"
    slots, bar = re.search(r"0 primary +[0-9]+ of ([0-9]+) +1 ([#+.]+)", out).groups()
    addresses = {"": 1, "2": 2, "8": 8, "a": 16}[cell.split(" ")[0]] * (16 if "2 prefixes" in cell else 1)
    assert len(bar) == math.ceil(int(slots) * (16 if prefixes else 1) / addresses)


@pytest.mark.parametrize("longest", [3, 8, 32])
def test_bars_keep_to_their_width_and_show_every_part(longest):
    values = (0, 1, 2, 15, 16, 31, 32, 33, 784)
    for counts in ((used, warm, empty) for used in values for warm in values for empty in values):
        lengths = bar_lengths(counts, longest)
        assert sum(lengths) == min(longest, sum(counts))
        assert all((length > 0) == (count > 0) for length, count in zip(lengths, counts, strict=True))


# --- totals --------------------------------------------------------------------------------------------------------------


def test_totals_name_addresses_subnet_limits_and_calls(cli):
    out = words(view(cli, "m5.large", "--pods", "12"))
    assert "attached 27 addresses: 12 in use, 15 free" in out
    assert "taken out of the subnet 30 IPv4 addresses" in out
    assert "hard limit 27 pods with a VPC address: 3 ENIs for pods × 9 slots" in out
    assert "kubelet's max-pods 29, as a managed node group sets it; 2 of them" in out
    assert "2×CreateNetworkInterface" in out


def test_with_custom_networking_the_subnet_of_the_primary_address_is_noted(cli):
    out = words(view(cli, "m5.large", "--pods", "12", "--set", "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=true"))
    assert "21 IPv4 addresses, including each ENI's primary IP; 1 of them, the primary ENI's, out of the node's own subnet" in out
    assert "own subnet" not in view(cli, "m5.large", "--pods", "12")


def test_the_cluster_is_shown_for_more_than_one_node(cli):
    assert "Cluster" not in view(cli, "m5.large", "--pods", "12")
    lines = view(cli, "m5.large", "--pods", "40", "--nodes", "1000").splitlines()
    start = lines.index("Cluster of 1,000 nodes")
    figures = {" ".join(line.split()[:-2]): line.split()[-2:] for line in lines[start + 3 :]}
    assert figures["pods that run"] == ["27", "27,000"]
    assert figures["pods that wait"] == ["13", "13,000"]
    assert figures["taken out of subnets"] == ["30", "30,000"]
    assert "prefixes" not in figures


# --- what it did ---------------------------------------------------------------------------------------------------------


def test_similar_decisions_in_a_row_are_one_line(cli):
    lines = view(cli, "m5.large", "--pods", "20", "--set=WARM_IP_TARGET=1").splitlines()
    assert any(line.split()[:4] == ["0–8", "add", "9", "addresses"] for line in lines)


def test_a_long_list_of_decisions_is_cut_and_says_so():
    reasons = [Action(0, ActionKind.ADD_CIDRS, 0, "eni-1", ("10.0.0.1/32",), f"reason {number}") for number in range(20)]
    out = show(changed(plan("m5.large", 0), *reasons))
    assert "and 5 more; --timeline shows all" in out
    assert "reason 14" in out
    assert "reason 15" not in out
    out = show(changed(plan("m5.large", 0), *reasons[:15]))
    assert "more;" not in out


def test_a_refusal_of_ec2_is_shown_with_its_reason():
    refused = Action(0, ActionKind.CREATE_ENI, 0, None, (), "short of 3", error="InsufficientFreeAddressesInSubnet")
    for timeline in (False, True):
        out = words(show(changed(plan("m5.large", 0), refused), timeline=timeline))
        assert "try to attach an ENI" in out
        assert "EC2 refused: InsufficientFreeAddressesInSubnet" in out
        assert "0 addresses" not in out.partition("short of")[0].partition("try to")[2]


def test_the_timeline_shows_each_stage_and_where_the_limit_is_reached(cli):
    lines = view(cli, "m5.large", "--pods", "40", "--timeline").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("Timeline"))
    rows = [line.split()[:7] for line in lines[start:] if line[:4].strip().isdigit()]
    assert rows == [
        ["0", "1", "9", "0", "9", "10", "find"],
        ["1", "2", "18", "1", "17", "20", "attach"],
        ["10", "3", "27", "10", "17", "30", "attach"],
        ["27", "3", "27", "27", "0", "30", "the"],
    ]
    text = words("\n".join(lines))
    assert "the hard limit: no further pod fits" in text
    assert "Hard limit reached: 27 pods with a VPC address, from 3 ENIs for pods × 9 slots." in text
    assert "What the node did" not in text


def test_the_timeline_shows_how_much_room_is_left(cli):
    text = words(view(cli, "m5.large", "--pods", "26", "--timeline"))
    assert "nothing to do" in text
    assert "Hard limit not reached, 1 pod to go" in text
    assert "no further pod fits" not in text


def test_the_timeline_in_prefix_mode_counts_prefixes(cli):
    lines = view(cli, "t3.small", "--pods", "17", "--set=ENABLE_PREFIX_DELEGATION=true", "--timeline").splitlines()
    assert ["pods", "ENIs", "prefixes", "attached"] in [line.split()[:4] for line in lines]
    assert ["17", "1", "3", "48", "17", "31", "49"] in [line.split()[:7] for line in lines]


def test_of_a_single_pod_that_waits_the_noun_is_in_the_plural(cli):
    assert "0 of 1 pods run, 1 waits" in cli("plan", "m5.large", "--pods", "1", "--max-pods", "2").out

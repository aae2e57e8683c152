"""EC2 and the recorder at the start of a scenario."""

import pytest
from recordings import MINUTE, fleet, look, result_of, subnet

from vpcipam.address import Cidr, parse_address
from vpcipam.fleet.ec2_samples import sample_subnets
from vpcipam.fleet.ec2_setup import make_recorder, set_up_ec2
from vpcipam.fleet.scenario import Scenario

TEXT = """
duration = "1 h"
seed = 3
[[subnet]]
name = "a"
cidr = "10.0.0.0/26"
[[subnet]]
name = "b"
cidr = "10.1.0.0/24"
[[group]]
name = "workers"
instance_type = "m5.large"
count = 1
[[workload]]
kind = "deployment"
replicas = 1
"""


def scenario(**changes):
    return Scenario.from_toml(TEXT).with_changes({key.replace("__", "."): value for key, value in changes.items()})


def held(setup, name):
    """The taken addresses of a subnet."""
    enis = setup[0].describe_network_interfaces(now_ns=0)
    return {address for eni in enis if eni.subnet_id == setup[1][name] for address in (eni.private_ip, *eni.secondary_ips)}


def test_subnets_lie_in_one_vpc_even_if_it_needs_several_cidrs():
    setup = set_up_ec2(scenario())
    assert len(setup[0].vpcs) == 1
    assert {each.subnet_id: each.cidr for each in setup[0].subnets} == {
        setup[1]["a"]: "10.0.0.0/26",
        setup[1]["b"]: "10.1.0.0/24",
    }


def test_an_empty_subnet_has_all_addresses_free_but_the_five_of_ec2():
    sample = sample_subnets(*set_up_ec2(scenario()))["a"]
    assert (sample.taken, sample.free, sample.reserved, sample.free_prefixes, sample.stranded) == (0, 59, 0, 2, 27)
    assert sample.largest_free == 59


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.5, 30), (1.0, 59)])
def test_other_users_hold_their_share_of_the_usable_addresses(share, count):
    setup = set_up_ec2(scenario(subnet__a__occupied_share=share))
    assert len(held(setup, "a")) == count == sample_subnets(*setup)["a"].taken
    assert sample_subnets(*setup)["a"].free == 59 - count
    assert held(setup, "b") == set()
    setup[0]._check()


def test_others_hold_random_addresses_by_seed():
    first, again, other = (held(set_up_ec2(scenario(subnet__b__occupied_share=0.3, seed=seed)), "b") for seed in (3, 3, 4))
    assert first == again != other
    addresses = sorted(parse_address(each, 4) for each in first)
    assert addresses != list(range(addresses[0], addresses[0] + len(addresses)))


def test_others_hold_no_address_in_a_reservation():
    kept = "10.1.0.64/26"
    setup = set_up_ec2(scenario(subnet__b__occupied_share=187 / 251, subnet__b__reservations=[{"cidr": kept, "kind": "prefix"}]))
    addresses = held(setup, "b")
    assert len(addresses) == 251 - 64
    assert not any(parse_address(address, 4) in Cidr.parse(kept) for address in addresses)
    sample = sample_subnets(*setup)["b"]
    assert (sample.free, sample.reserved, sample.free_prefixes) == (0, 64, 4)


def test_ec2_chooses_addresses_as_the_scenario_says():
    def next_address(choice):
        setup = set_up_ec2(scenario(ec2__address_choice=choice))
        return setup[0].create_network_interface(subnet_id=setup[1]["b"], now_ns=0).private_ip

    assert next_address("lowest") == "10.1.0.4"
    assert next_address("random") != "10.1.0.4"


def test_ec2_is_instant_before_the_run():
    full = scenario(subnet__a__occupied_share=1.0, ec2__throttling={"CreateNetworkInterface": {"capacity": 1, "per_second": 1}})
    setup = set_up_ec2(full)
    for _ in range(3):
        setup[0].create_network_interface(subnet_id=setup[1]["b"], now_ns=0)
    assert setup[0].throttled_counts == {}


# --- recorder ------------------------------------------------------------------------------------------------------------

PREFIXES = {"ENABLE_PREFIX_DELEGATION": True}
CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": True}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, set()),
        ({"settings": PREFIXES}, {"a", "b"}),
        ({"settings": PREFIXES, "subnets": ["b"]}, {"b"}),
        ({"settings": PREFIXES | CUSTOM, "subnets": ["b"], "pod_subnet": "a"}, {"a"}),
        ({"settings": PREFIXES, "instance_type": "m4.large"}, set()),  # Xen, which has no prefixes
    ],
)
def test_a_missing_28_is_an_event_only_for_subnets_that_nodes_take_prefixes_from(changes, told):
    recorder = make_recorder(scenario(**{f"group__workers__{key}": value for key, value in changes.items()}), {})
    full = dict.fromkeys(("a", "b"), subnet(free_prefixes=0))
    recorder.sample(fleet(0), full, {}, {})
    look(recorder, 0, full)
    result = result_of(recorder, MINUTE)
    assert {event.subject for event in result.events} == told
    assert result.subnet_sizes == {"a": 64, "b": 256}

"""EC2 at the start of a scenario: the VPC, the subnets, and their occupied addresses."""

from collections.abc import Mapping
from random import Random

from vpcipam.address import AddressMode, Cidr, address_text
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.resources import METADATA_DEFAULTS, MetadataOptions
from vpcipam.ec2.subnet_rules import CIDR_QUOTA, reserved_addresses
from vpcipam.fleet.metrics import Recorder
from vpcipam.fleet.scenario import Scenario, SubnetSpec

ONLY_ZONE = "us-east-1a"
"""The zone of all subnets of a scenario without zones."""


def set_up_ec2(scenario: Scenario, metadata_defaults: MetadataOptions = METADATA_DEFAULTS) -> tuple[Ec2Model, dict[str, str]]:
    """Make the scenario's model of EC2, not yet with latency or throttling. Return the model, and the ids of its subnets by name."""
    ec2 = Ec2Model(
        address_choice=scenario.ec2.address_choice,
        seed=scenario.seed,
        metadata_defaults=metadata_defaults,
        vpc_cidr_quota=max(CIDR_QUOTA, len(scenario.vpc_cidrs)),
    )
    first, *others = scenario.vpc_cidrs
    vpc = ec2.create_vpc(first)
    for cidr in others:
        ec2.associate_vpc_cidr_block(vpc.vpc_id, cidr)
    subnet_ids = {}
    for spec in scenario.subnets:
        subnet_ids[spec.name] = ec2.create_subnet(vpc.vpc_id, spec.cidr, availability_zone=spec.zone or ONLY_ZONE).subnet_id
        _occupy(ec2, subnet_ids[spec.name], spec, scenario.seed)
        for each in spec.reservations:
            ec2.create_subnet_cidr_reservation(subnet_ids[spec.name], each.cidr, reservation_type=each.kind)
    return ec2, subnet_ids


def make_recorder(scenario: Scenario, subnet_ids: Mapping[str, str]) -> Recorder:
    """Make the recorder of a run: it knows the subnets' ids and sizes, and the subnets that nodes take prefixes from."""
    prefix_subnets = {
        name
        for group in scenario.groups
        if group.settings.address_mode(group.instance_type) is AddressMode.PREFIX
        for name in group.all_pod_subnets or group.subnets
    }
    sizes = {spec.name: Cidr.parse(spec.cidr).size for spec in scenario.subnets}
    zone_of = {spec.name: spec.zone for spec in scenario.subnets if spec.zone is not None}
    return Recorder(sizes, prefix_subnets=prefix_subnets, zone_of=zone_of, subnet_ids=subnet_ids)


def _occupy(ec2: Ec2Model, subnet_id: str, spec: SubnetSpec, seed: int) -> None:
    """Occupy addresses at random places outside the reservations, with an ENI that no node has."""
    if not spec.occupied_count:
        return
    cidr = Cidr.parse(spec.cidr)
    kept = {*reserved_addresses(cidr)}
    ranges = [Cidr.parse(each.cidr) for each in spec.reservations]
    usable = [
        address for address in range(cidr.first, cidr.last + 1) if address not in kept and not any(address in each for each in ranges)
    ]
    chance = Random(f"{spec.name}/{seed}")  # noqa: S311 - chances of a simulation, by seed
    first, *others = (address_text(address, 4) for address in sorted(chance.sample(usable, spec.occupied_count)))
    ec2.create_network_interface(subnet_id=subnet_id, private_ip=first, secondary_ips=others, description="others", now_ns=0)

"""The rule about subnets without a free /28 despite free addresses, and the reservation that would help."""

from collections.abc import Iterator

import attrs

from vpcipam._units import counted, number
from vpcipam.address import AddressMode, Cidr, address_text
from vpcipam.ec2.subnet_rules import PREFIX_SIZE, reserved_addresses
from vpcipam.errors import InvalidCidr
from vpcipam.inspection.cluster import ClusterCase
from vpcipam.inspection.finding import Finding, Missing, Severity
from vpcipam.inspection.rules.rule import EC2_ANSWERS, INSPECTING, Need, Rule, RuleEntry
from vpcipam.inspection.rules.texts import some
from vpcipam.inspection.subnet_survey import parse_valid

_V4 = 4
_RESERVATION_BLOCKS = (4, 2, 1)
"""How many /28s a reservation can have: a /26, a /27 or a /28."""


@attrs.frozen
class _Room:
    """What is free in a subnet.

    Attributes:
        cidr: the subnet's.
        owners: each taken address, and the ENI that has it.
        kept: the addresses that EC2 keeps for itself.
        reserved: the CIDR reservations, and whether prefixes come from them.
        free_count: the addresses that are free by all this.
    """

    cidr: Cidr
    owners: dict[int, str]
    kept: frozenset[int]
    reserved: tuple[tuple[Cidr, bool], ...]
    free_count: int

    def blocks(self, size: int) -> Iterator[range]:
        """Yield the aligned blocks of a size in which EC2 keeps no address."""
        for first in range(-(-self.cidr.first // size) * size, self.cidr.last - size + 2, size):
            block = range(first, first + size)
            if not any(address in block for address in self.kept):
                yield block

    def is_free(self, block: range) -> bool:
        """Tell whether EC2 can take all of a block at once, as a prefix or as single addresses."""
        if any(address in self.owners for address in block):
            return False
        overlapping = [each for each in self.reserved if each[0].first <= block[-1] and block[0] <= each[0].last]
        return all(of_prefixes and cidr.first <= block[0] and block[-1] <= cidr.last for cidr, of_prefixes in overlapping)

    def is_unreserved(self, block: range) -> bool:
        """Tell whether no reservation has a part of a block."""
        return not any(cidr.first <= block[-1] and block[0] <= cidr.last for cidr, _ in self.reserved)


def _room(case: ClusterCase, subnet_id: str) -> _Room | None:
    """See what is free in a subnet; None if ENIs or reservations of it are missing, by EC2's own count of free addresses."""
    subnet = case.subnets[subnet_id].value
    try:
        cidr = Cidr.parse(subnet.cidr)
    except InvalidCidr:
        return None
    owners: dict[int, str] = {}
    for fact in case.network_interfaces.values():
        if fact.value.subnet_id == subnet_id:
            for taken in parse_valid((*fact.value.single_ips, *fact.value.ipv4_prefixes)):
                owners |= dict.fromkeys(range(taken.first, taken.last + 1), fact.value.eni_id)
    kept = frozenset(reserved_addresses(cidr))
    ours = [fact.value for fact in case.evidence.reservations if fact.value.subnet_id == subnet_id]
    reserved = tuple((each, of.reservation_type == "prefix") for of in ours for each in parse_valid((of.cidr,)) if each.version == _V4)
    gone = {*owners, *kept, *(address for each, _ in reserved for address in range(each.first, each.last + 1))}
    free_count = cidr.size - len(gone)
    return _Room(cidr, owners, kept, reserved, free_count) if free_count == subnet.available_ip_address_count else None


def _rooms(case: ClusterCase) -> dict[str, _Room | None]:
    """The subnets in which nodes ask for prefixes."""
    found: dict[str, None] = {}
    for node in case.nodes:
        if node.mode is AddressMode.PREFIX:
            found |= dict.fromkeys(fact.value.subnet_id for fact in node.network_interfaces)
            found |= dict.fromkeys(each.subnet_id for each in (node.survey.new_eni_subnets if node.survey is not None else ()))
    return {subnet_id: _room(case, subnet_id) for subnet_id in found if subnet_id in case.subnets}


def check_blocks(case: ClusterCase) -> Iterator[Finding]:
    """A prefix is an aligned, wholly free /28 of the subnet (EC2: prefix delegation; docs/ipamd.md, "Growing the pool").

    EC2 doesn't say which addresses are free. They are known for sure if the addresses of all ENIs, the reservations and what EC2 keeps
    leave as many as EC2 counts. Otherwise the rule is not checked.
    """
    for subnet_id, room in _rooms(case).items():
        if room is None or room.free_count < PREFIX_SIZE or any(map(room.is_free, room.blocks(PREFIX_SIZE))):
            continue
        message = f"has {counted(room.free_count, 'free address', 'free addresses')} and no free /28"
        largest = next((size for size in (8, 4, 2) if any(map(room.is_free, room.blocks(size)))), 1)
        message += f"; its largest free block is a /{33 - largest.bit_length()}"
        advice, suggestion = _advice(room, subnet_id)
        sources = (case.subnets[subnet_id].source,)
        yield Finding("no-free-prefix", Severity.FINDING, subnet_id, message + advice, suggestion, "", sources)


def _advice(room: _Room, subnet_id: str) -> tuple[str, str]:
    """Say what stands in the way, and which reservation would help: the range with the fewest taken addresses to a /28."""
    best: range | None = None
    for count in _RESERVATION_BLOCKS:
        for block in filter(room.is_unreserved, room.blocks(count * PREFIX_SIZE)):
            if best is None or _taken(room, block) * len(best) < _taken(room, best) * len(block):
                best = block
    if best is None:
        return "", "no /28 of it can be reserved: use a larger subnet, tagged kubernetes.io/role/cni=1"
    cidr = f"{address_text(best[0], _V4)}/{33 - len(best).bit_length()}"
    owners = dict.fromkeys(room.owners[address] for address in best if address in room.owners)
    advice = f". {cidr} has the fewest taken addresses, {number(_taken(room, best))} of {len(best)}, on {some(owners)}"
    suggestion = f"keep single addresses out of it: aws ec2 create-subnet-cidr-reservation --subnet-id {subnet_id} --cidr {cidr} "
    suggestion += "--reservation-type prefix; then give up the taken ones: replace their nodes or delete their ENIs"
    return advice, suggestion


def _taken(room: _Room, block: range) -> int:
    return sum(address in room.owners for address in block)


WHOLE: Need[ClusterCase] = Need(
    Missing(
        "all ENIs and CIDR reservations of the subnets with prefixes, at one instant",
        "aws ec2 describe-subnets; aws ec2 describe-network-interfaces; aws ec2 get-subnet-cidr-reservations --subnet-id ID",
    ),
    lambda case: bool(case.subnets) and None not in _rooms(case).values(),
)
MODES: Need[ClusterCase] = Need(
    Missing("the variables of the aws-node container, and instance types", "kubectl -n kube-system get daemonset aws-node -o json"),
    lambda case: any(node.mode is not None for node in case.nodes),
)
CLUSTER_RULES = (
    Rule(
        check_blocks,
        (
            RuleEntry(
                "no-free-prefix",
                "a subnet in which nodes ask for prefixes has at least 16 free addresses, and no free /28",
                "No node in this subnet gets a further prefix, however many addresses are free.",
                f"{INSPECTING}#free-28s",
            ),
        ),
        (EC2_ANSWERS, MODES, WHOLE),
    ),
)

"""The values that a datastore returns: an assignment, and the counts on which warm-pool decisions are based."""

import attrs


@attrs.frozen
class Assignment:
    """An address that a sandbox holds, with its ENI and its CIDR.

    Attributes:
        address: as text.
        eni_id: the ENI of its CIDR.
        device_number: the ENI's device index on its network card. It decides the route table that the CNI plugin uses.
        network_card: the card's index.
        cidr: the /32, /28 or /80 that has the address, as text.
    """

    address: str
    eni_id: str
    device_number: int
    network_card: int
    cidr: str


@attrs.frozen
class PoolStats:
    """The counts of a datastore on which warm-pool decisions are based.

    Attributes:
        total_count: addresses in CIDRs of the datastore's mode. An excluded ENI adds only those that pods hold: the rest is unusable.
        assigned_count: the part of `total_count` that sandboxes hold.
        cooling_count: the part of `total_count` that still cools. An excluded ENI adds 0.
        available_count: total_count - assigned_count. Cooling addresses count as available, as in ipamd (upstream issues 1700 and 2896).
        prefix_count: prefixes on all ENIs, in any mode.
        free_prefix_count: prefixes without a pod.
        other_mode_assigned_count: addresses that sandboxes hold in CIDRs of the other mode; the first four counts leave them out. After
            prefix delegation is switched on or off, the pods that already run have these.
    """

    total_count: int
    assigned_count: int
    cooling_count: int
    available_count: int
    prefix_count: int
    free_prefix_count: int
    other_mode_assigned_count: int = 0


@attrs.frozen
class EniStats:
    """The counts of one ENI on which warm-pool decisions are based.

    Attributes:
        slot_count: slots in use, by CIDRs of any mode.
        total_count: addresses in CIDRs of the datastore's mode; on an excluded ENI, only those that pods hold.
        assigned_count: the part of `total_count` that sandboxes hold.
        cooling_count: the part of `total_count` that still cools; 0 on an excluded ENI.
        pod_count: sandboxes in CIDRs of any mode.
        free_prefix_count: prefixes without a pod.
        idle_cidr_count: CIDRs without a pod that give new addresses.
        stale_cidr_count: CIDRs without a pod that give no new addresses: they are of the other mode, or on an excluded ENI.
        cooling_until_ns: when the last cooldown on the ENI ends, None if no address cools.
        cooling_idle_cidr_count: the part of `idle_cidr_count` where an address cools.
        cooling_stale_cidr_count: the part of `stale_cidr_count` where an address cools.
    """

    eni_id: str
    device_number: int
    primary: bool
    trunk: bool
    efa: bool
    excluded: bool
    subnet_id: str | None
    added_ns: int
    slot_count: int
    total_count: int
    assigned_count: int
    cooling_count: int
    pod_count: int
    free_prefix_count: int
    idle_cidr_count: int
    stale_cidr_count: int
    cooling_until_ns: int | None
    cooling_idle_cidr_count: int = 0
    cooling_stale_cidr_count: int = 0

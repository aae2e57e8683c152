"""The values that a datastore answers with: an assignment, and the counts that warm-pool decisions are made of."""

import attrs


@attrs.frozen
class Assignment:
    """An address that a sandbox holds, and where it sits.

    Attributes:
        address: as text.
        eni_id: the ENI that carries it.
        device_number: the ENI's device index on its network card; the CNI plugin picks the route table by it.
        network_card: the card's index.
        cidr: the /32, /28 or /80 that the address comes from, as text.
    """

    address: str
    eni_id: str
    device_number: int
    network_card: int
    cidr: str


@attrs.frozen
class PoolStats:
    """The counts that warm-pool decisions are made of.

    Attributes:
        total_count: addresses in CIDRs of the datastore's mode. An excluded ENI counts only those that pods hold: the rest is out of reach.
        assigned_count: those that a sandbox holds.
        cooling_count: those released so recently that they may not be assigned yet; none of an excluded ENI.
        available_count: total - assigned. Cooling addresses count as available, as ipamd has it (upstream issues 1700 and 2896).
        prefix_count: prefixes on all ENIs, whatever the mode.
        free_prefix_count: those without a pod.
    """

    total_count: int
    assigned_count: int
    cooling_count: int
    available_count: int
    prefix_count: int
    free_prefix_count: int


@attrs.frozen
class EniStats:
    """One ENI, as warm-pool decisions see it.

    Attributes:
        slot_count: slots in use, by CIDRs of any mode.
        total_count: pod addresses in CIDRs of the datastore's mode; on an excluded ENI only those that pods hold.
        assigned_count: those of them that a sandbox holds.
        cooling_count: those of them that cool; none of an excluded ENI.
        pod_count: sandboxes on the ENI, whatever the CIDR.
        free_prefix_count: prefixes without a pod.
        idle_cidr_count: CIDRs without a pod that give new addresses.
        stale_cidr_count: CIDRs without a pod that give none: of the other mode, or on an excluded ENI.
        cooling_until_ns: when the last cooling address on it is past its cooldown, None where none cools.
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

"""A model of EC2's address side: VPCs, subnets, ENIs, prefixes, limits and error codes, as a node meets them.

`Ec2Model` answers the calls of `vpcipam.ec2.api.Ec2Api` and has beside them what an administrator needs to set the stage. It is
deterministic: the same calls in the same order give the same ids, addresses and refusals.

Each family of actions has a room of its own in `vpcipam.ec2.actions`. What EC2 documents, the model does as documented; sources stand
beside the rules. Where the documentation is silent, the model does what users report of EC2, or else the least surprising:

- An ENI that is not attached knows no limit of an instance type (but for 1,024 IPv6 addresses). Attaching it counts its addresses, and
  refuses too many of them with InvalidInterface.IpAddressLimitExceeded.
- CreateNetworkInterface answers a subnet without room for the secondary IPs or prefixes with InvalidParameterValue, be it full or merely
  fragmented; AssignPrivateIpAddresses has two codes for the two cases. Too few /80s are InsufficientCidrBlocks in both.
- A named address or prefix that is taken is an InvalidParameterValue ("assigned, but move is not allowed") of the Assign actions, and
  InvalidIPAddress.InUse of CreateNetworkInterface and RunInstances. With `allow_reassignment`, secondary IPs move within their subnet;
  primary IPs and prefixes do not.
- Prefixes are picked from reservations of type `prefix` first, and from the rest of the subnet when those are full (maintainers of the CNI
  say so: amazon-vpc-cni-k8s, 2749). What is named may be taken in a reservation of either type. Reservations go with their subnet.
- Single IPv6 addresses are picked from the first /80 of the /64, which can never be a prefix; a named one breaks the /80 around it.
- A branch is `in-use` and of type `branch` while it is associated. It is deleted with its association; with a trunk go all of its. The
  number of branches that a type allows is not public, and not enforced.
- A terminated instance is forgotten at once.
- Not modelled: quotas of the account (CIDRs of a VPC, subnets, ENIs of a region), which CIDRs a VPC may add beside its own, security
  groups, public and elastic addresses, IPAM pools.
"""

from vpcipam.ec2.actions.addresses import AddressActions
from vpcipam.ec2.actions.instances import InstanceActions
from vpcipam.ec2.actions.interfaces import InterfaceActions
from vpcipam.ec2.actions.subnets import RESERVATION_TYPES, SubnetActions
from vpcipam.ec2.actions.tags import TagActions
from vpcipam.ec2.actions.trunks import TrunkActions
from vpcipam.ec2.actions.vpcs import VpcActions
from vpcipam.ec2.api import Instance, Subnet, Vpc
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.over_time.gate import Gate
from vpcipam.ec2.state import invariants
from vpcipam.ec2.state.requests import IPV4_PREFIX_LENGTHS
from vpcipam.ec2.state.space import reserved_addresses
from vpcipam.ec2.state.subnet import AddressChoice
from vpcipam.errors import InvalidArgument

__all__ = ["IPV4_PREFIX_LENGTHS", "RESERVATION_TYPES", "AddressChoice", "Ec2Model", "reserved_addresses"]


class Ec2Model(VpcActions, SubnetActions, InterfaceActions, AddressActions, TrunkActions, InstanceActions, TagActions):
    """EC2 as a node meets it; see `vpcipam.ec2.api` for the calls. A refused call changes nothing but `call_counts`.

    Args:
        address_choice: `lowest` takes the lowest free address or block, `random` the first at or after a seeded random place.
        seed: of `random`; without meaning for `lowest`.
        conditions: how EC2 behaves over time; None for at once, always up to date, without a limit or a fault.

    Example:
        >>> ec2 = Ec2Model()
        >>> vpc = ec2.create_vpc("10.0.0.0/16")
        >>> subnet = ec2.create_subnet(vpc.vpc_id, "10.0.1.0/24")
        >>> subnet.available_ip_address_count
        251
        >>> eni = ec2.create_network_interface(subnet_id=subnet.subnet_id, ipv4_prefix_count=1, now_ns=0)
        >>> eni.private_ip, eni.ipv4_prefixes
        ('10.0.1.4', ('10.0.1.16/28',))
        >>> ec2.subnets[0].available_ip_address_count
        234
    """

    def __repr__(self) -> str:
        held = self._account
        counts = f"{len(held.vpcs)} VPCs, {len(held.subnets)} subnets, {len(held.enis)} ENIs, {len(held.instances)} instances"
        return f"<Ec2Model: {counts}>"

    def set_conditions(self, conditions: Conditions | None) -> None:
        """Behave like this from now on, with full buckets: for a stage that is set before the play begins.

        Raises:
            InvalidArgument: Describe or the metadata are to lag, and there is something by now; what it looked like before is not known.
        """
        lags = conditions is not None and (conditions.describe_lag_ns or conditions.metadata_lag_ns)
        if lags and self._account.vpcs:
            raise InvalidArgument("what is shown late must be known from the start: give conditions with a lag to Ec2Model itself")
        self._gate = None if conditions is None else Gate(conditions, self._account)

    @property
    def vpcs(self) -> tuple[Vpc, ...]:
        """All VPCs, ordered by id."""
        return tuple(vpc.view() for vpc in self._account.vpcs.values())

    @property
    def subnets(self) -> tuple[Subnet, ...]:
        """All subnets, ordered by id."""
        return tuple(subnet.view() for subnet in self._account.subnets.values())

    @property
    def instances(self) -> tuple[Instance, ...]:
        """All instances, ordered by id."""
        return tuple(instance.view() for instance in self._account.instances.values())

    @property
    def call_counts(self) -> dict[str, int]:
        """How often each action was called until now, refused calls included, by EC2's name of the action. Metadata is read for nothing."""
        return dict(self._call_counts)

    @property
    def metadata_read_count(self) -> int:
        """How often instance metadata was read until now."""
        return self._metadata_read_count

    @property
    def elapsed_ns(self) -> int:
        """How long all calls together have taken until now, one after another; metadata reads too.

        A caller that waits for each answer looks at it before and after its calls.
        """
        return 0 if self._gate is None else self._gate.elapsed_ns

    @property
    def retries_throttling(self) -> bool:
        """Whether a throttled call has been tried again before its refusal comes out: never, that is the caller's business."""
        return False

    def pause(self, duration_ns: int) -> None:
        """Let time go by between two calls of one caller; without conditions everything happens at once, pauses too."""
        if self._gate is not None:
            self._gate.pause(duration_ns)

    @property
    def throttled_counts(self) -> dict[str, int]:
        """How often each action was answered with RequestLimitExceeded for want of a token; `call_counts` has these calls too."""
        return {} if self._gate is None else self._gate.throttled_counts

    @property
    def fault_counts(self) -> dict[str, int]:
        """How often each effect of a fault has struck, by its name; addresses that are taken at a set time are not counted."""
        return {} if self._gate is None else self._gate.fault_counts

    def tokens(self, action: str, now_ns: int, *, filtered: bool = True) -> int | None:
        """How many calls of an action would be let in at a time, one after another; None where there is no limit."""
        return None if self._gate is None else self._gate.tokens(action, now_ns, filtered=filtered)

    def _check(self) -> None:
        invariants.check(self._account)
        if self._gate is not None:
            self._gate.check()

"""A model of how EC2 manages addresses: VPCs, subnets, ENIs, prefixes, limits and error codes.

`Ec2Model` implements `vpcipam.ec2.api.Ec2Api` and the actions that create VPCs, subnets and instances. It is
deterministic: the same calls in the same order give the same ids, addresses and refusals.

Each family of actions has a module in `vpcipam.ec2.actions`. The model does what EC2 documents; the rules cite their sources. Where the
documentation is silent, the model does what users report, or else the least surprising thing:

- An unattached ENI has one limit: 1,024 IPv6 addresses. AttachNetworkInterface checks the limits of the instance type and refuses too many
  addresses with InvalidInterface.IpAddressLimitExceeded.
- CreateNetworkInterface refuses with InvalidParameterValue if the subnet lacks room for the secondary IPs or prefixes, whether it is full
  or fragmented; AssignPrivateIpAddresses has a code for each. For too few /80s, both answer InsufficientCidrBlocks.
- For a named address or prefix that is taken, the Assign actions answer InvalidParameterValue ("assigned, but move is not allowed"),
  CreateNetworkInterface and RunInstances InvalidIPAddress.InUse. With `allow_reassignment`, secondary IPs move within their subnet;
  primary IPs and prefixes do not.
- EC2 picks prefixes from reservations of type `prefix` first, and from the rest of the subnet when those are full (according to the CNI's
  maintainers: amazon-vpc-cni-k8s, issue 2749). A caller can name addresses and prefixes in a reservation of either type. Deleting a
  subnet deletes its reservations.
- EC2 picks single IPv6 addresses from the first /80 of the /64, which can never be a prefix. A single address that a caller names makes
  its /80 unusable as a prefix.
- A branch is `in-use` and of type `branch` while it is associated. Deleting a branch or a trunk deletes its associations. EC2 does not
  publish how many branches a type allows, and the model does not limit them.
- Instances change their state within the call: its answer shows `pending`, `stopping` or `shutting-down`, the next call the state after
  that. A terminated instance has no ENIs any more; DescribeInstances shows it for an hour.
- A public address of a subnet that maps one on launch is not modelled; the attribute only shows.
- A security group shows the rules that EC2 gives a new one: all traffic out, and into the default one what comes from itself. No action
  changes them, and a world does not have them.
- EC2 does not document how it refuses to unassign or disable a primary IPv6 address, or to enable one on an ENI without IPv6 addresses:
  InvalidParameterValue, OperationNotPermitted and InvalidParameterCombination are the model's own.
- An Elastic IP needs no internet gateway here, since the model has none. Without reassociation, Resource.AlreadyAssociated also refuses a
  private address that has another Elastic IP (as users report it). An address within a /28 of the ENI can't have one.
- A launch takes each parameter as a whole from the request or else from the launch template, `TagSpecifications` and `NetworkInterfaces`
  too.
- Not modelled: quotas of the account (subnets, ENIs, Elastic IPs per region), the rules for additional CIDRs of a VPC, changed rules of
  security groups, public addresses that are no Elastic IPs, IPAM pools.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vpcipam.ec2.actions.every import EveryAction
from vpcipam.ec2.api import Instance, NetworkInterface, SecurityGroup, Subnet, SubnetCidrReservation, Vpc
from vpcipam.ec2.resources import METADATA_DEFAULTS, ElasticIp, LaunchTemplate, MetadataOptions
from vpcipam.ec2.subnet_rules import CIDR_QUOTA
from vpcipam.errors import InvalidArgument
from vpcipam.limits import InstanceLimits

if TYPE_CHECKING:
    from vpcipam.ec2.conditions import Conditions


class Ec2Model(EveryAction):
    """A model of EC2 for the calls of `vpcipam.ec2.api`. A refused call changes nothing but `call_counts`.

    Args:
        address_choice: `lowest` takes the lowest free address or block, `random` the first at or after a random place.
        seed: for `random`; `lowest` ignores it.
        conditions: throttling, latency, stale reads and faults; None for none of them.
        metadata_defaults: the metadata options of an instance whose launch names none.
        vpc_cidr_quota: the most IPv4 CIDRs of a VPC, 1 to 50.

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

    @classmethod
    def from_world(
        cls, world: Mapping[str, Any], *, metadata_defaults: MetadataOptions = METADATA_DEFAULTS, vpc_cidr_quota: int = CIDR_QUOTA
    ) -> "Ec2Model":
        """Create a model from a world: a document as `to_world` returns it, or one written by hand (docs/serving.md).

        `metadata_defaults` are also the metadata options of an instance of which the world says none. If a VPC has more CIDRs than
        `vpc_cidr_quota`, the quota is as high as that.

        Raises:
            WorldError: the document is no world.

        Example:
            >>> ec2 = Ec2Model.from_world({"vpcs": [{"cidr": "10.0.0.0/16"}], "subnets": [{"cidr": "10.0.1.0/24"}]})
            >>> [subnet.available_ip_address_count for subnet in ec2.subnets]
            [251]
        """
        from vpcipam.ec2.worlds import read_world  # noqa: PLC0415 - most models are built by calls, and start faster without it

        model = cls(metadata_defaults=metadata_defaults, vpc_cidr_quota=vpc_cidr_quota)
        read_world(model, model._account, world)
        model._call_counts.clear()
        return model

    def to_world(self) -> dict[str, Any]:
        """Return all that is in the account as a document for JSON.

        A model of that world that is created with the same options gives the same answers to later calls.

        Raises:
            InvalidArgument: the model chooses addresses at random; the sequence of its choices is not part of a world.
        """
        if self._address_choice != "lowest":
            raise InvalidArgument(f"only a model with address_choice 'lowest' has a world, not one with {self._address_choice!r}")
        from vpcipam.ec2.worlds import write_world  # noqa: PLC0415 - likewise

        return write_world(self._account)

    def set_conditions(self, conditions: "Conditions | None") -> None:
        """Replace the conditions; the token buckets start full. Call it after a setup that ran without conditions.

        Raises:
            InvalidArgument: the conditions have a lag, but a VPC exists already, and its past was not recorded.
        """
        lags = conditions is not None and (conditions.describe_lag_ns or conditions.metadata_lag_ns)
        if lags and self._account.vpcs:
            raise InvalidArgument("conditions with a lag need the history from the start: give them to Ec2Model itself")
        self._interceptor = self._interceptor_of(conditions)

    @property
    def vpcs(self) -> tuple[Vpc, ...]:
        """All VPCs, ordered by id."""
        return tuple(vpc.view() for vpc in self._account.vpcs.values())

    @property
    def security_groups(self) -> tuple[SecurityGroup, ...]:
        """All security groups, ordered by id."""
        return tuple(group.view() for group in self._account.groups.values())

    @property
    def subnets(self) -> tuple[Subnet, ...]:
        """All subnets, ordered by id."""
        return tuple(subnet.view() for subnet in self._account.subnets.values())

    @property
    def instances(self) -> tuple[Instance, ...]:
        """All instances, ordered by id."""
        return tuple(instance.view() for instance in self._account.instances.values())

    def instance(self, instance_id: str) -> Instance | None:
        """Return an instance, None if there is no such one; this is no call of EC2."""
        record = self._account.instances.get(instance_id)
        return None if record is None else record.view()

    def limits_of(self, instance: Instance) -> InstanceLimits:
        """Return the limits of an instance's type; this is no call of EC2."""
        return self._account.instance_types[instance.instance_type]

    @property
    def network_interfaces(self) -> tuple[NetworkInterface, ...]:
        """All ENIs, ordered by id."""
        return tuple(eni.view() for eni in self._account.enis.values())

    @property
    def elastic_ips(self) -> tuple[ElasticIp, ...]:
        """All Elastic IP addresses, ordered by allocation id."""
        return tuple(elastic_ip.view() for elastic_ip in self._account.elastic_ips.values())

    @property
    def launch_templates(self) -> tuple[LaunchTemplate, ...]:
        """All launch templates, ordered by id."""
        return tuple(template.view() for template in self._account.launch_templates.values())

    @property
    def subnet_cidr_reservations(self) -> tuple[SubnetCidrReservation, ...]:
        """All subnet CIDR reservations, ordered by id."""
        return tuple(reservation.view() for reservation in self._account.reservations.values())

    @property
    def call_counts(self) -> dict[str, int]:
        """The number of calls of each action so far, refused ones included, by EC2's name. Metadata reads are not calls."""
        return dict(self._call_counts)

    @property
    def metadata_defaults(self) -> MetadataOptions:
        """The metadata options of an instance whose launch names none."""
        return self._account.metadata_defaults

    @property
    def metadata_read_count(self) -> int:
        """The number of instance metadata reads so far."""
        return self._metadata_read_count

    @property
    def elapsed_ns(self) -> int:
        """The total duration of all calls, metadata reads and pauses so far. The difference before and after a call is its duration."""
        return 0 if self._interceptor is None else self._interceptor.stopwatch.elapsed_ns

    @property
    def retries_throttling(self) -> bool:
        """Whether the model retries throttled calls: always False; the caller must retry."""
        return False

    def pause(self, duration_ns: int) -> None:
        """Add a pause between two calls to `elapsed_ns`; without conditions a pause takes no time."""
        if self._interceptor is not None:
            self._interceptor.stopwatch.elapsed_ns += duration_ns

    @property
    def throttled_counts(self) -> dict[str, int]:
        """The number of throttled calls of each action (RequestLimitExceeded); `call_counts` includes them."""
        buckets = None if self._interceptor is None else self._interceptor.buckets
        return {} if buckets is None else buckets.throttled_counts

    @property
    def fault_counts(self) -> dict[str, int]:
        """The number of injected faults of each effect, by its name; addresses that are removed at a set time are not counted."""
        return {} if self._interceptor is None else self._interceptor.faults.injected_counts

    def tokens(self, action: str, now_ns: int, *, filtered: bool = True) -> int | None:
        """The number of calls of an action that would be admitted in a row at `now_ns`; None without throttling."""
        buckets = None if self._interceptor is None else self._interceptor.buckets
        return None if buckets is None else buckets.tokens(action, now_ns, filtered=filtered)

    def _check(self) -> None:
        from vpcipam.ec2.state import invariants  # noqa: PLC0415 - only tests check them

        invariants.check(self._account)
        if self._interceptor is not None:
            self._interceptor.check()

"""The base of all action classes: it holds the account, begins and ends calls, and selects the state that a read sees."""

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.over_time.snapshots import Snapshot
from vpcipam.ec2.resources import METADATA_DEFAULTS, MetadataOptions
from vpcipam.ec2.state.account import GROUPS_PER_ENI, Account, Records
from vpcipam.ec2.state.call import Call, sorted_texts, texts
from vpcipam.ec2.state.records import SecurityGroupRecord, SubnetRecord
from vpcipam.ec2.subnet_rules import CIDR_QUOTA, MAX_CIDR_QUOTA, AddressChoice
from vpcipam.errors import InvalidArgument

if TYPE_CHECKING:
    from vpcipam.ec2.conditions import Conditions
    from vpcipam.ec2.over_time.interceptor import CallInterceptor
    from vpcipam.ec2.over_time.subnet_watch import SubnetWatch

_Value = TypeVar("_Value")
_View_co = TypeVar("_View_co", covariant=True)


class _Record(Protocol[_View_co]):
    def view(self) -> _View_co: ...


class Views(Mapping[str, _View_co]):
    """The public values of records, by id and in the records' order; each is made on access."""

    def __init__(self, records: Mapping[str, _Record[_View_co]]) -> None:
        self._records = records

    def __getitem__(self, key: str) -> _View_co:
        return self._records[key].view()

    def __contains__(self, key: object) -> bool:
        return key in self._records

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


class Actions:
    """An account and the common parts of its actions.

    An action calls `_begin` first, and checks everything before it changes anything. A mutating action returns through `_done`. A read-only
    action takes subnets, ENIs and instances from `_visible`, which may show the past.
    """

    def __init__(
        self,
        *,
        address_choice: AddressChoice = "lowest",
        seed: int = 0,
        conditions: "Conditions | None" = None,
        metadata_defaults: MetadataOptions = METADATA_DEFAULTS,
        vpc_cidr_quota: int = CIDR_QUOTA,
    ) -> None:
        if address_choice not in ("lowest", "random"):
            raise InvalidArgument(f"address_choice is {address_choice!r}; it must be 'lowest' or 'random'")
        if not 1 <= operator.index(vpc_cidr_quota) <= MAX_CIDR_QUOTA:
            raise InvalidArgument(f"vpc_cidr_quota is {vpc_cidr_quota}; AWS grants 1 to {MAX_CIDR_QUOTA} CIDRs")
        self._address_choice: AddressChoice = address_choice
        self._seed = operator.index(seed)
        self._account = Account(metadata_defaults, vpc_cidr_quota)
        self._interceptor = self._interceptor_of(conditions)
        self._subnet_watch: SubnetWatch | None = None
        self._present = Snapshot(Views(self._account.enis), Views(self._account.instances), Views(self._account.subnets))
        self._call_counts: Counter[str] = Counter()
        self._metadata_read_count = 0

    def _interceptor_of(self, conditions: "Conditions | None") -> "CallInterceptor | None":
        """Return what applies conditions to calls; None if there are none."""
        if conditions is None:
            return None
        from vpcipam.ec2.over_time.interceptor import CallInterceptor  # noqa: PLC0415 - a model without conditions starts faster without it

        return CallInterceptor(conditions, self._account)

    def _begin(self, action: str, now_ns: int, *, filtered: bool = True) -> Call:
        """Start a call; `filtered` affects only the throttling of some Describe actions."""
        call = Call(action, operator.index(now_ns))
        self._call_counts[action] += 1
        if self._interceptor is not None:
            self._interceptor.before_call(call, filtered=filtered)
        return call

    def _done(self, call: Call, answer: _Value) -> _Value:
        """Finish a call that has changed something, and return its answer."""
        if self._subnet_watch is not None:
            self._subnet_watch.look(call.now_ns)
        if self._interceptor is not None:
            self._interceptor.after_call(call, answer)
        return answer

    @staticmethod
    def _named_or_all(call: Call, visible: Mapping[str, _Value], names: Iterable[str], table: Records[Any]) -> tuple[_Value, ...]:
        """Return the named values, ordered by id, or all if no name is given; refuse the call for unknown names as `table` does."""
        wanted = dict.fromkeys(texts(names))
        unknown = [name for name in wanted if name not in visible]
        if unknown:
            raise table.missing(call, *unknown)
        named = tuple(visible[name] for name in sorted(wanted))
        return named or tuple(visible.values())

    def _groups(self, call: Call, subnet: SubnetRecord, group_ids: Iterable[str]) -> tuple[SecurityGroupRecord, ...]:
        """Find the security groups of an ENI in a subnet, ordered by id; without names the default one of the VPC.

        Raises:
            Ec2Error: InvalidGroup.NotFound for an unknown one; for one of another VPC InvalidParameter if instances are launched, else
                InvalidGroup.NotFound (both as users report them); SecurityGroupsPerInterfaceLimitExceeded for more than five.
        """
        names = sorted_texts(group_ids)
        if not names:
            return (self._account.vpcs[subnet.vpc_id].default_group,)
        groups = tuple([self._account.groups.find(call, name) for name in names])
        for group in groups:
            if group.vpc_id != subnet.vpc_id and call.action == "RunInstances":
                message = f"Security group {group.group_id} and subnet {subnet.subnet_id} belong to different networks."
                raise call.refusal(ErrorCode.INVALID_PARAMETER, message)
            if group.vpc_id != subnet.vpc_id:
                message = f"You have specified two resources that belong to different networks: {group.group_id}, {subnet.subnet_id}."
                raise call.refusal(ErrorCode.GROUP_NOT_FOUND, message)
        if len(groups) > GROUPS_PER_ENI:
            message = f"The maximum number of security groups per interface has been reached: {GROUPS_PER_ENI}."
            raise call.refusal(ErrorCode.GROUP_LIMIT_EXCEEDED, message)
        return groups

    def _group_id(self, call: Call, group_name: str) -> str:
        """Return the id of a group of the default VPC."""
        vpc = self._account.default_vpc()
        for group in [] if vpc is None else self._account.groups_of(vpc):
            if group.group_name == group_name:
                return group.group_id
        where = "a default VPC, which there is not" if vpc is None else f"default VPC '{vpc.vpc_id}'"
        raise call.refusal(ErrorCode.GROUP_NOT_FOUND, f"The security group '{group_name}' does not exist in {where}")

    def _visible(self, call: Call) -> Snapshot:
        """Return the ENIs, instances and subnets that a read-only call sees: the present ones or, with a lag, past ones."""
        past = None if self._interceptor is None else self._interceptor.snapshot(call)
        return self._present if past is None else past

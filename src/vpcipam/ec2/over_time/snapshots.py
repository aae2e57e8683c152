"""The past of the EC2 model's ENIs, instances and subnets.

EC2 is eventually consistent (Amazon EC2 Developer Guide, "Eventual consistency in the Amazon EC2 API"): a call may not yet see what an
earlier call has changed. A new ENI may be unknown, and a deleted one may still show. In this model the delay is a fixed time, and a call
sees exactly what was true that long ago.
"""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.ec2.api import Instance, NetworkInterface, Subnet
from vpcipam.ec2.over_time.history import History
from vpcipam.ec2.state.account import Account
from vpcipam.ec2.state.records import EniRecord, InstanceRecord, SubnetRecord, Touched

_Value = TypeVar("_Value")

CLOCK_SKEW_NS = 60 * NS_PER_S
"""How far one caller's clock can lag behind another's without losing the exact past."""

_FOREVER = 1 << 127
"""A time later than any that a caller gives."""


class AsOf(Mapping[str, _Value], Generic[_Value]):
    """The values of a history at one time, by id and in the order of creation."""

    def __init__(self, history: History[_Value], time_ns: int) -> None:
        self._history = history
        self._time_ns = time_ns

    def __getitem__(self, key: str) -> _Value:
        value = self._history.as_of(key, self._time_ns)
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._history.keys_as_of(self._time_ns))

    def __len__(self) -> int:
        return len(self._history.keys_as_of(self._time_ns))


@attrs.frozen
class Snapshot:
    """The ENIs, instances and subnets at one time."""

    enis: Mapping[str, NetworkInterface]
    instances: Mapping[str, Instance]
    subnets: Mapping[str, Subnet]


class Snapshots:
    """Record how ENIs, instances and subnets change, and look back.

    Args:
        account: an empty account; from now on it collects its changed records for this history.
        keep_ns: how far back callers can look.
    """

    def __init__(self, account: Account, keep_ns: int) -> None:
        self._account = account
        self._touched: Touched = {}
        account.touched = self._touched
        self._enis: History[NetworkInterface] = History(keep_ns)
        self._instances: History[Instance] = History(keep_ns)
        self._subnets: History[Subnet] = History(keep_ns)

    def at(self, time_ns: int) -> Snapshot:
        """Return the state at a time."""
        return Snapshot(AsOf(self._enis, time_ns), AsOf(self._instances, time_ns), AsOf(self._subnets, time_ns))

    def record(self, at_ns: int) -> None:
        """Record the state, as of a time, of every changed record and of the subnet and instances that show it.

        Complexity: O(touched); an instance counts its ENIs.
        """
        subnet_ids, instance_ids = set(), set()
        for record in self._touched:
            if isinstance(record, SubnetRecord):
                subnet_ids.add(record.subnet_id)
            elif isinstance(record, InstanceRecord):
                instance_ids.add(record.instance_id)
            else:
                subnet_ids.add(record.subnet.subnet_id)
                instance_ids |= self._record_eni(record, at_ns)
        # Ids sort in the order of creation, so that new ones are listed in that order.
        for subnet_id in sorted(subnet_ids):
            subnet = self._account.subnets.get(subnet_id)
            self._subnets.record(subnet_id, None if subnet is None else subnet.view(), at_ns)
        for instance_id in sorted(instance_ids):
            instance = self._account.instances.get(instance_id)
            self._instances.record(instance_id, None if instance is None else instance.view(), at_ns)
        self._touched.clear()

    def _record_eni(self, eni: EniRecord, at_ns: int) -> set[str]:
        """Record an ENI's new state, and return the ids of the instances that it was or is attached to."""
        before = self._enis.latest(eni.eni_id)
        now = eni.view() if eni.eni_id in self._account.enis else None
        self._enis.record(eni.eni_id, now, at_ns)
        return {view.attachment.instance_id for view in (before, now) if view is not None and view.attachment is not None}

    def check(self) -> None:
        """Assert that the latest state of each history is the account's.

        Raises:
            AssertionError: a record has changed without `touch`.
        """
        account = self._account
        if not (
            dict(AsOf(self._enis, _FOREVER)) == {key: record.view() for key, record in account.enis.items()}
            and dict(AsOf(self._instances, _FOREVER)) == {key: record.view() for key, record in account.instances.items()}
            and dict(AsOf(self._subnets, _FOREVER)) == {key: record.view() for key, record in account.subnets.items()}
        ):
            raise AssertionError("the history misses a change: call `touch` after every change of a record")

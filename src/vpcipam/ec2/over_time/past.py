"""How what the EC2 model shows was a while ago.

EC2 is eventually consistent (Amazon EC2 Developer Guide, "Eventual consistency in the Amazon EC2 API"): what one call has changed, the next
may not show yet. A new ENI may be unknown, a deleted one still there. Here the delay is a set time, and what is shown is exactly what was
true so long ago.
"""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

import attrs

from vpcipam.ec2.api import Instance, NetworkInterface, Subnet
from vpcipam.ec2.over_time.history import History
from vpcipam.ec2.state.account import Account
from vpcipam.ec2.state.records import EniRecord, InstanceRecord, SubnetRecord, Touched
from vpcipam.ec2.throttle import SECOND_NS

_Value = TypeVar("_Value")

STEP_BACK_NS = 60 * SECOND_NS
"""How far behind another's a caller's clock may be, so that the past that it is shown is still exact."""

_FOR_EVER = 1 << 127
"""A time after any that a caller gives."""


class AsOf(Mapping[str, _Value], Generic[_Value]):
    """What a history showed at a time, by id and in the order of creation."""

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
class Moment:
    """What there was at a time."""

    enis: Mapping[str, NetworkInterface]
    instances: Mapping[str, Instance]
    subnets: Mapping[str, Subnet]


class Histories:
    """How ENIs, instances and subnets have looked.

    Args:
        account: what there is, nothing as yet; it is told to write down what it touches.
        keep_ns: how far back somebody may look.
    """

    def __init__(self, account: Account, keep_ns: int) -> None:
        self._account = account
        self._touched: Touched = {}
        account.touched = self._touched
        self._enis: History[NetworkInterface] = History(keep_ns)
        self._instances: History[Instance] = History(keep_ns)
        self._subnets: History[Subnet] = History(keep_ns)

    def at(self, time_ns: int) -> Moment:
        """Look back to a time."""
        return Moment(AsOf(self._enis, time_ns), AsOf(self._instances, time_ns), AsOf(self._subnets, time_ns))

    def note(self, at_ns: int) -> None:
        """Take down how all that was touched looks from a time on, and what it is part of.

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
                instance_ids |= self._note_eni(record, at_ns)
        # Sorted by id, which is the order of creation, so that what is new is listed in it.
        for subnet_id in sorted(subnet_ids):
            subnet = self._account.subnets.get(subnet_id)
            self._subnets.record(subnet_id, None if subnet is None else subnet.view(), at_ns)
        for instance_id in sorted(instance_ids):
            instance = self._account.instances.get(instance_id)
            self._instances.record(instance_id, None if instance is None else instance.view(), at_ns)
        self._touched.clear()

    def _note_eni(self, eni: EniRecord, at_ns: int) -> set[str]:
        """Take down how an ENI looks; the answer is the instances that it was or is attached to."""
        before = self._enis.latest(eni.eni_id)
        now = eni.view() if eni.eni_id in self._account.enis else None
        self._enis.record(eni.eni_id, now, at_ns)
        return {shown.attachment.instance_id for shown in (before, now) if shown is not None and shown.attachment is not None}

    def check(self) -> None:
        """Assert that the latest of each history is the truth.

        Raises:
            AssertionError: something has changed and was not touched.
        """
        account = self._account
        if not (
            _shows(self._enis, {key: record.view() for key, record in account.enis.items()})
            and _shows(self._instances, {key: record.view() for key, record in account.instances.items()})
            and _shows(self._subnets, {key: record.view() for key, record in account.subnets.items()})
        ):
            raise AssertionError("the past misses a change: whatever changes a record must touch it")


def _shows(history: History[_Value], truth: Mapping[str, _Value]) -> bool:
    """Tell whether the latest of a history is the truth."""
    return dict(AsOf(history, _FOR_EVER)) == dict(truth)

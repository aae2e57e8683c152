"""What the reading calls of the EC2 model show: the truth, or how it was a while ago.

EC2 is eventually consistent (Amazon EC2 Developer Guide, "Eventual consistency in the Amazon EC2 API"): what one call has changed, the next
may not show yet. A new ENI may be unknown, a deleted one still there. Here the delay is a set time, and what is shown is exactly what was
true so long ago.
"""

from collections.abc import Iterable
from typing import TypeVar

from vpcipam.ec2.account import Account
from vpcipam.ec2.api import ErrorCode, Instance, NetworkInterface, Subnet
from vpcipam.ec2.history import History
from vpcipam.ec2.records import SubnetRecord, Touched
from vpcipam.ec2.requests import Call
from vpcipam.ec2.throttle import SECOND_NS

_Value = TypeVar("_Value")

STEP_BACK_NS = 60 * SECOND_NS
"""How far behind another's a caller's clock may be, so that the past that it is shown is still exact."""


class Present:
    """The truth."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def eni(self, call: Call, eni_id: str) -> NetworkInterface:
        """Show an ENI or refuse the call."""
        return self._account.eni(call, eni_id).view()

    def enis(self, _call: Call) -> Iterable[NetworkInterface]:
        """Show all ENIs, ordered by id."""
        return (eni.view() for eni in self._account.enis.values())

    def attached(self, _call: Call, instance_id: str) -> Iterable[NetworkInterface]:
        """Show the ENIs of an instance, by card and device index; none of an unknown one."""
        instance = self._account.instances.get(instance_id)
        return () if instance is None else (eni.view() for eni in instance.enis())

    def instance(self, call: Call, instance_id: str) -> Instance:
        """Show an instance or refuse the call."""
        return self._account.instance(call, instance_id).view()

    def subnet(self, call: Call, subnet_id: str) -> Subnet:
        """Show a subnet or refuse the call."""
        return self._account.subnet(call, subnet_id).view()

    def subnets(self, _call: Call) -> Iterable[Subnet]:
        """Show all subnets, ordered by id."""
        return (subnet.view() for subnet in self._account.subnets.values())


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
        self.enis: History[NetworkInterface] = History(keep_ns)
        self.instances: History[Instance] = History(keep_ns)
        self.subnets: History[Subnet] = History(keep_ns)

    def note(self, at_ns: int) -> None:
        """Take down how all that was touched looks from a time on, and what it is part of."""
        subnet_ids, instance_ids = set(), set()
        for record in self._touched.values():
            if isinstance(record, SubnetRecord):
                subnet_ids.add(record.subnet_id)
                continue
            subnet_ids.add(record.subnet.subnet_id)
            view = record.view() if record.eni_id in self._account.enis else None
            for shown in (self.enis.latest(record.eni_id), view):
                if shown is not None and shown.attachment is not None:
                    instance_ids.add(shown.attachment.instance_id)
            self.enis.record(record.eni_id, view, at_ns)
        # Sorted by id, which is the order of creation, so that listings are.
        for subnet_id in sorted(subnet_ids):
            subnet = self._account.subnets.get(subnet_id)
            self.subnets.record(subnet_id, None if subnet is None else subnet.view(), at_ns)
        for instance_id in sorted(instance_ids):
            instance = self._account.instances.get(instance_id)
            self.instances.record(instance_id, None if instance is None else instance.view(), at_ns)
        self._touched.clear()


class Past(Present):
    """How it was a set time before each call."""

    def __init__(self, account: Account, histories: Histories, lag_ns: int) -> None:
        super().__init__(account)
        self._histories = histories
        self._lag_ns = lag_ns

    def eni(self, call: Call, eni_id: str) -> NetworkInterface:
        """Show an ENI as it was, or refuse the call."""
        return self._find(call, self._histories.enis, eni_id, ErrorCode.ENI_NOT_FOUND, "network interface")

    def enis(self, call: Call) -> Iterable[NetworkInterface]:
        """Show all ENIs that there were."""
        return self._histories.enis.all_as_of(self._time_ns(call))

    def attached(self, call: Call, instance_id: str) -> Iterable[NetworkInterface]:
        """Show the ENIs that an instance had."""
        instance = self._histories.instances.as_of(instance_id, self._time_ns(call))
        return () if instance is None else instance.network_interfaces

    def instance(self, call: Call, instance_id: str) -> Instance:
        """Show an instance as it was, or refuse the call."""
        return self._find(call, self._histories.instances, instance_id, ErrorCode.INSTANCE_NOT_FOUND, "instance")

    def subnet(self, call: Call, subnet_id: str) -> Subnet:
        """Show a subnet as it was, or refuse the call."""
        return self._find(call, self._histories.subnets, subnet_id, ErrorCode.SUBNET_NOT_FOUND, "subnet")

    def subnets(self, call: Call) -> Iterable[Subnet]:
        """Show all subnets that there were."""
        return self._histories.subnets.all_as_of(self._time_ns(call))

    def _find(self, call: Call, history: History[_Value], key: str, code: ErrorCode, kind: str) -> _Value:
        value = history.as_of(key, self._time_ns(call))
        if value is None:
            raise call.refusal(code, f"The {kind} {key!r} does not exist")
        return value

    def _time_ns(self, call: Call) -> int:
        return call.now_ns - self._lag_ns

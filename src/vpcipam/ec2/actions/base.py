"""What every family of actions stands on: the account, the one way in, the one way out, and what a reader sees."""

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from vpcipam.ec2.api import ErrorCode, Instance, NetworkInterface, Subnet, TrunkAssociation, Vpc
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.over_time.gate import Gate
from vpcipam.ec2.over_time.past import Moment
from vpcipam.ec2.state.account import Account, find
from vpcipam.ec2.state.requests import Call, texts
from vpcipam.ec2.state.subnet import AddressChoice
from vpcipam.errors import InvalidArgument

_Value = TypeVar("_Value")
_Shown_co = TypeVar("_Shown_co", covariant=True)


class _Record(Protocol[_Shown_co]):
    def view(self) -> _Shown_co: ...


class Views(Mapping[str, _Shown_co]):
    """What is shown of records, by id and in their order; each value is made when it is asked for."""

    def __init__(self, records: Mapping[str, _Record[_Shown_co]]) -> None:
        self._records = records

    def __getitem__(self, key: str) -> _Shown_co:
        return self._records[key].view()

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


class Actions:
    """An account and how its actions begin, end and read.

    An action calls `_begin` first and changes nothing before it has refused all that it refuses; one that changes something returns through
    `_done`. What an action shows it takes from the `_visible_…` methods alone.
    """

    def __init__(self, *, address_choice: AddressChoice = "lowest", seed: int = 0, conditions: Conditions | None = None) -> None:
        if address_choice not in ("lowest", "random"):
            raise InvalidArgument(f"address_choice is {address_choice!r}; it must be 'lowest' or 'random'")
        self._address_choice: AddressChoice = address_choice
        self._seed = operator.index(seed)
        self._account = Account()
        self._gate = None if conditions is None else Gate(conditions, self._account)
        self._call_counts: Counter[str] = Counter()
        self._metadata_read_count = 0

    def _begin(self, action: str, now_ns: int, *, filtered: bool = True) -> Call:
        """Take in a call. Every action passes through here, and nowhere else; `filtered` matters to some Describe actions alone."""
        call = Call(action, operator.index(now_ns))
        self._call_counts[action] += 1
        if self._gate is not None:
            self._gate.enter(call, filtered=filtered)
        return call

    def _done(self, call: Call, answer: _Value) -> _Value:
        """Give the answer of an action that has changed something. Every such action passes through here at its end."""
        if self._gate is not None:
            self._gate.leave(call, answer)
        return answer

    def _moment(self, call: Call) -> Moment | None:
        """What a call sees where it sees the past."""
        return None if self._gate is None else self._gate.moment(call)

    @staticmethod
    def _named_or_all(call: Call, visible: Mapping[str, _Shown_co], names: Iterable[str], not_found: ErrorCode) -> tuple[_Shown_co, ...]:
        """Pick the named ones, ordered by id, or all where no name is given; an unknown name refuses the call."""
        wanted = sorted(set(texts(names)))
        return tuple(find(call, visible, name, not_found) for name in wanted) or tuple(visible.values())

    def _visible_vpcs(self, call: Call) -> Mapping[str, Vpc]:
        """The VPCs as a call sees them, by id: always the truth, since nobody waits for one."""
        del call
        return Views(self._account.vpcs)

    def _visible_subnets(self, call: Call) -> Mapping[str, Subnet]:
        """The subnets as a call sees them, by id."""
        moment = self._moment(call)
        return Views(self._account.subnets) if moment is None else moment.subnets

    def _visible_enis(self, call: Call, *, unattached: bool = False) -> Mapping[str, NetworkInterface]:
        """The ENIs as a call sees them, by id; of those `unattached` at least all that are."""
        moment = self._moment(call)
        if moment is not None:
            return moment.enis
        account = self._account
        return Views(dict(sorted(account.unattached_enis.items()))) if unattached else Views(account.enis)

    def _visible_instances(self, call: Call) -> Mapping[str, Instance]:
        """The instances as a call sees them, by id."""
        moment = self._moment(call)
        return Views(self._account.instances) if moment is None else moment.instances

    def _visible_trunk_associations(self, call: Call) -> Mapping[str, TrunkAssociation]:
        """The associations of branches with trunks as a call sees them, by id: always the truth, as with VPCs."""
        del call
        return Views(self._account.trunk_associations)

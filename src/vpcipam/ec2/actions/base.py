"""The base of all action classes: it holds the account, begins and ends calls, and selects the state that a read sees."""

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.over_time.interceptor import CallInterceptor
from vpcipam.ec2.over_time.snapshots import Snapshot
from vpcipam.ec2.state.account import Account, Records
from vpcipam.ec2.state.call import Call, texts
from vpcipam.ec2.subnet_rules import AddressChoice
from vpcipam.errors import InvalidArgument

if TYPE_CHECKING:
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

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


class Actions:
    """An account and the common parts of its actions.

    An action calls `_begin` first, and checks everything before it changes anything. A mutating action returns through `_done`. A read-only
    action takes subnets, ENIs and instances from `_visible`, which may show the past.
    """

    def __init__(self, *, address_choice: AddressChoice = "lowest", seed: int = 0, conditions: Conditions | None = None) -> None:
        if address_choice not in ("lowest", "random"):
            raise InvalidArgument(f"address_choice is {address_choice!r}; it must be 'lowest' or 'random'")
        self._address_choice: AddressChoice = address_choice
        self._seed = operator.index(seed)
        self._account = Account()
        self._interceptor = None if conditions is None else CallInterceptor(conditions, self._account)
        self._subnet_watch: SubnetWatch | None = None
        self._present = Snapshot(Views(self._account.enis), Views(self._account.instances), Views(self._account.subnets))
        self._call_counts: Counter[str] = Counter()
        self._metadata_read_count = 0

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
        """Return the named values, ordered by id, or all if no name is given; refuse the call for an unknown name as `table` does."""
        try:
            named = tuple(visible[name] for name in sorted(set(texts(names))))
        except KeyError as error:
            raise table.missing(call, error.args[0]) from None
        return named or tuple(visible.values())

    def _visible(self, call: Call) -> Snapshot:
        """Return the ENIs, instances and subnets that a read-only call sees: the present ones or, with a lag, past ones."""
        past = None if self._interceptor is None else self._interceptor.snapshot(call)
        return self._present if past is None else past

"""Entries of a journal as they are read: what of each is legible, and which contradict each other."""

from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from vpcipam.address import address_text, parse_address
from vpcipam.errors import InvalidAddress
from vpcipam.journal.protocol import Assigned, Cooling, Problem
from vpcipam.sandbox import PodRef, SandboxKey

_INT64 = range(-(2**63), 2**63)
_TIMES = range(2**63 - 1)  # what the pool takes for the end of a cooldown


class UnreadableError(Exception):
    """An entry, or a field of it, makes no sense; the message says which."""


class RepeatedMembers(dict[str, object]):
    """An object of JSON that has a member twice."""


@attrs.frozen
class Candidate:
    """An entry that should tell of a sandbox and its address.

    Attributes:
        place: where it stands, as `Problem.place` has it.
        text: as it stands.
        assigned: what it says, None where that makes no sense.
        key, address: as far as they are legible.
        message: what makes no sense in it.
    """

    place: str
    text: str
    assigned: Assigned | None = None
    key: SandboxKey | None = None
    address: str | None = None
    message: str = ""


def read_candidate(place: str, text: str, value: object) -> Candidate:
    """Read an allocation, whose fields have upstream's names. Releases before v1.9 wrote neither time nor metadata."""
    key = address = None
    try:
        fields = _fields(value)
        key = _key(fields)
        address = _address(fields)
        assigned_ns = _integer(fields, "allocationTimestamp", _INT64, 0)
        return Candidate(place, text, Assigned(key, address, _pod(fields), assigned_ns), key, address)
    except UnreadableError as error:
        return Candidate(place, text, None, key, address or _address_if_legible(value), str(error))


def judge(candidates: Sequence[Candidate]) -> tuple[Assigned | Problem, ...]:
    """Say of each what it says, if that can be taken as it stands, or what is wrong with it.

    Of two that contradict each other nobody guesses which is right. Of two that say the same the first counts.
    """
    first: dict[tuple[SandboxKey, str], Candidate] = {}
    for each in candidates:
        if each.assigned is not None:
            first.setdefault((each.assigned.key, each.assigned.address), each)
    of_key = Counter(key for key, _ in first)
    of_address = Counter(address for _, address in first)

    def verdict(each: Candidate) -> Assigned | Problem:
        if each.assigned is None:
            return Problem(each.place, each.message, each.key, each.address, each.text)
        key, address = each.assigned.key, each.assigned.address
        earlier = first[key, address]
        if earlier is not each:  # nothing has to be withheld for its sake
            return Problem(each.place, f"it says the same as {earlier.place}", None, None, each.text, earlier.assigned)
        if of_key[key] > 1:
            return Problem(each.place, f"{key} has {of_key[key]} addresses", key, address, each.text)
        if of_address[address] > 1:
            return Problem(each.place, f"{address} has {of_address[address]} sandboxes", key, address, each.text)
        return each.assigned

    return tuple(map(verdict, candidates))


def read_cooling(value: object) -> Cooling:
    """Read a cooldown.

    Raises:
        UnreadableError: it makes no sense.
    """
    fields = _fields(value)
    text = _text(fields, "address")
    released_ns = _integer(fields, "releasedTimestamp", _TIMES) if fields.get("releasedTimestamp") is not None else None
    return Cooling(_canonical(text, 6 if ":" in text else 4), _integer(fields, "untilTimestamp", _TIMES), released_ns)


def _fields(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise UnreadableError("it is no object")
    if isinstance(value, RepeatedMembers):
        raise UnreadableError("it has a field twice")
    return value


def _text(fields: Mapping[str, object], name: str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise UnreadableError(f"its {name} is {'missing' if name not in fields else 'no text'}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UnreadableError(f"its {name} is not UTF-8") from None
    return value


def _integer(fields: Mapping[str, object], name: str, bounds: range, default: int | None = None) -> int:
    value = fields.get(name, default)
    if type(value) is not int:
        raise UnreadableError(f"its {name} is {'missing' if name not in fields else 'no integer'}")
    if value not in bounds:
        raise UnreadableError(f"its {name} is out of range")
    return value


def _key(fields: Mapping[str, object]) -> SandboxKey:
    key = SandboxKey(_text(fields, "networkName"), _text(fields, "containerID"), _text(fields, "ifName"))
    if not key.container_id:
        raise UnreadableError("its containerID is empty, so it names no sandbox")
    return key


def _address(fields: Mapping[str, object]) -> str:
    texts = {version: _text(fields, f"ipv{version}", "") for version in (4, 6)}
    named = [(version, text) for version, text in texts.items() if text]
    if len(named) != 1:
        raise UnreadableError("it has both an ipv4 and an ipv6" if named else "it has neither an ipv4 nor an ipv6")
    version, text = named[0]
    return _canonical(text, version)


def _address_if_legible(value: object) -> str | None:
    """The address to withhold for the sake of an entry that makes no sense otherwise."""
    try:
        return _address(_fields(value))
    except UnreadableError:
        return None


def _canonical(text: str, version: int) -> str:
    try:
        return address_text(parse_address(text, version), version)
    except InvalidAddress as error:
        raise UnreadableError(str(error)) from None


def _pod(fields: Mapping[str, object]) -> PodRef | None:
    metadata = _fields(fields.get("metadata", {}))
    namespace, name = _text(metadata, "k8sPodNamespace", ""), _text(metadata, "k8sPodName", "")
    return PodRef(namespace, name) if namespace or name else None

"""Reads the entries of a journal (allocations, cooldowns and released CIDRs) and finds allocations that contradict each other."""

from collections import Counter
from collections.abc import Mapping, Sequence

from vpcipam.address import Cidr, address_text, parse_address
from vpcipam.errors import InvalidAddress, InvalidCidr
from vpcipam.journal.protocol import Assigned, Cooling, Problem, ReleasedCidr, is_storable
from vpcipam.sandbox import PodRef, SandboxKey

_INT64 = range(-(2**63), 2**63)
_TIMES = range(2**63 - 1)  # the ends of cooldowns that the pool accepts


class UnreadableError(Exception):
    """An entry can't be read; the message names the field and what is wrong with it."""


class RepeatedMembers(dict[str, object]):
    """A JSON object that has a member twice."""


def parse_allocation(place: str, text: str, value: object) -> Assigned | Problem:
    """Read an allocation, whose fields have ipamd's names. Releases of ipamd before v1.11 wrote neither a time nor metadata.

    Args:
        place: where it is, see `Problem.place`.
        text: the allocation as written.
        value: its content.

    Returns:
        The allocation; or the problem with it, with its sandbox and its address if these are legible.
    """
    key = address = None
    try:
        fields = _fields(value)
        key = _key(fields)
        address = _address(fields)
        assigned_ns = _integer(fields, "allocationTimestamp", _INT64, 0)
        return Assigned(key, address, _pod(fields), assigned_ns)
    except UnreadableError as error:
        return Problem(place, str(error), key, address or _address_if_legible(value), text)


def find_contradictions(allocations: Sequence[tuple[str, str, Assigned | Problem]]) -> tuple[Assigned | Problem, ...]:
    """Replace each allocation that contradicts or repeats another with a problem.

    If two contradict each other, both become problems, since nobody knows which is right. Only the first of equal ones stays.

    Args:
        allocations: each with its place and its text.
    """
    first: dict[tuple[SandboxKey, str], tuple[str, Assigned]] = {}
    for place, _, each in allocations:
        if isinstance(each, Assigned):
            first.setdefault((each.key, each.address), (place, each))
    of_key = Counter(key for key, _ in first)
    of_address = Counter(address for _, address in first)

    def checked(place: str, text: str, each: Assigned | Problem) -> Assigned | Problem:
        if isinstance(each, Problem):
            return each
        first_place, earlier = first[each.key, each.address]
        if earlier is not each:  # the problem names no sandbox and no address, since `earlier` does
            return Problem(place, f"it says the same as {first_place}", None, None, text, earlier)
        if of_key[each.key] > 1:
            return Problem(place, f"{each.key} has {of_key[each.key]} addresses", each.key, each.address, text, None, each)
        if of_address[each.address] > 1:
            return Problem(place, f"{each.address} has {of_address[each.address]} sandboxes", each.key, each.address, text, None, each)
        return each

    return tuple(checked(*each) for each in allocations)


def parse_cooling(value: object) -> Cooling:
    """Read a cooldown.

    Raises:
        UnreadableError: a field is missing or invalid.
    """
    fields = _fields(value)
    text = _text(fields, "address")
    released_ns = _integer(fields, "releasedTimestamp", _TIMES) if fields.get("releasedTimestamp") is not None else None
    return Cooling(_canonical(text, 6 if ":" in text else 4), _integer(fields, "untilTimestamp", _TIMES), released_ns)


def parse_released_cidr(value: object) -> ReleasedCidr:
    """Read a released CIDR.

    Raises:
        UnreadableError: a field is missing or invalid.
    """
    fields = _fields(value)
    try:
        cidr = str(Cidr.parse(_text(fields, "cidr")))
    except InvalidCidr as error:
        raise UnreadableError(str(error)) from None
    return ReleasedCidr(cidr, _integer(fields, "untilTimestamp", _TIMES))


def _fields(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise UnreadableError("it is not an object")
    if isinstance(value, RepeatedMembers):
        raise UnreadableError("it has a field twice")
    return value


def _text(fields: Mapping[str, object], name: str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise UnreadableError(f"its {name} is {'missing' if name not in fields else 'not a text'}")
    if not is_storable(value):
        raise UnreadableError(f"its {name} is not UTF-8")
    return value


def _integer(fields: Mapping[str, object], name: str, bounds: range, default: int | None = None) -> int:
    value = fields.get(name, default)
    if type(value) is not int:
        raise UnreadableError(f"its {name} is {'missing' if name not in fields else 'not an integer'}")
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
    """Return the address of an otherwise unreadable entry, so that it can be withheld; None if it is unreadable too."""
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

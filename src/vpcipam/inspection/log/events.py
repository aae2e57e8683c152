"""What the lines of a log say, as values."""

import ipaddress
import re
from collections.abc import Callable, Mapping

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.inspection.log.wording import Classified, Wording


@attrs.frozen
class LogEvent:
    """What a line says."""


@attrs.frozen
class StartLine(LogEvent):
    """The daemon starts.

    Attributes:
        version: as it writes it, such as `v1.18.0`.
    """

    version: str


@attrs.frozen
class AssignLine(LogEvent):
    """A sandbox got an address, or got it back at a start.

    Attributes:
        key: `network/container/interface`; before 1.7.0, `namespace/pod/container`.
        address: the address, empty if the line does not have it.
        container: the container id of the sandbox, empty if the line does not have it.
        is_one_of_several: the sandbox gets an address of each of several network cards.
    """

    key: str
    address: str
    container: str = ""
    is_one_of_several: bool = False


@attrs.frozen
class UnassignLine(LogEvent):
    """A sandbox gave its address back.

    Attributes:
        key: as in `AssignLine`.
        address: the address.
        is_cleared: it is the line of the inner function. Since 1.7.0 there is another line after it, unless the change was undone.
        container: as in `AssignLine`.
    """

    key: str
    address: str
    is_cleared: bool
    container: str = ""


@attrs.frozen
class UnknownSandboxLine(LogEvent):
    """A sandbox that is deleted holds nothing, as far as the daemon knows."""

    key: str


@attrs.frozen
class CooldownLine(LogEvent):
    """An address begins to cool.

    Attributes:
        address: the address.
        duration_ns: how long, None if it is unreadable.
    """

    address: str
    duration_ns: int | None


@attrs.frozen
class PoolLine(LogEvent):
    """Counts of addresses.

    Attributes:
        assigned_count: how many are assigned.
        total_count: how many there are, None if the line does not say.
        cooling_count: how many cool, 0 if the line does not say.
        network_card: the card that it is about, None if the line does not say.
        is_exact: the line is written with the datastore locked, so that no assign or unassign is under way.
    """

    assigned_count: int
    total_count: int | None
    cooling_count: int = 0
    network_card: int | None = None
    is_exact: bool = False


@attrs.frozen
class CidrLine(LogEvent):
    """The datastore got or lost an address or a prefix."""

    eni_id: str
    cidr: str
    is_added: bool


@attrs.frozen
class EniLine(LogEvent):
    """The datastore got or lost an ENI.

    Attributes:
        eni_id: the ENI.
        is_added: it got it; if False, it lost it.
        is_forced: pods lost their addresses with it.
    """

    eni_id: str
    is_added: bool
    is_forced: bool = False


@attrs.frozen
class PrimaryLine(LogEvent):
    """An ENI has a primary address."""

    eni_id: str
    address: str


@attrs.frozen
class ReconcileLine(LogEvent):
    """A reconcile with EC2 or the metadata service did something.

    Attributes:
        kind: the kind of the wording, such as `reconcile-drop`.
        subject: the ENI or the address that it is about, empty if none.
    """

    kind: str
    subject: str


@attrs.frozen
class ErrorLine(LogEvent):
    """Something failed.

    Attributes:
        kind: the kind of the wording, such as `ec2-failed`.
        code: the error code of EC2, empty if there is none.
        error: the text.
    """

    kind: str
    code: str
    error: str


@attrs.frozen
class PluginRequestLine(LogEvent):
    """The container runtime asks the plugin to set up or to delete a sandbox.

    Attributes:
        container: the container id of the sandbox.
        is_add: it is to be set up; if False, it is deleted.
    """

    container: str
    is_add: bool


@attrs.frozen
class PluginAnswerLine(LogEvent):
    """The plugin got ipamd's answer about a sandbox.

    Attributes:
        container: the container id of the sandbox.
        addresses: those that it got or gave back, in the order of the network cards; empty if the line has none.
        is_add: it was set up; if False, it was deleted.
        is_branch: the address is of a branch ENI, so that ipamd's datastore does not have it.
        is_by_ipamd: False if the plugin deleted the sandbox without ipamd, which did not answer.
    """

    container: str
    addresses: tuple[str, ...]
    is_add: bool
    is_branch: bool = False
    is_by_ipamd: bool = True


@attrs.frozen
class OtherLine(LogEvent):
    """Any other line.

    Attributes:
        kind: the kind of the wording.
        values: the text of each field.
    """

    kind: str
    values: Mapping[str, str]


_CODE = re.compile(r"(?:^|[ :])([A-Z][a-z]+[A-Z][A-Za-z]{1,60}(?:\.[A-Z][A-Za-z]{2,60})?): ")
_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})(?:\.(\d{1,9}))?s)?")
_SEVERAL = re.compile(r"InterfacesCount:(?:[2-9]|\d\d)")
_REPLY_ADDRESS = re.compile(r'IPv[46]Addr: ?"([^"]{1,64})"')
_REPLY_BRANCH = re.compile(r"PodVlanId: ?[1-9]")
_SDK_2 = re.compile(r"api error ([A-Za-z.]{3,80}):")


def duration_ns(text: str) -> int | None:
    """Read a duration as Go writes it; None if it is none.

    >>> duration_ns("1m0.5s"), duration_ns("30s"), duration_ns("soon")
    (60500000000, 30000000000, None)
    """
    found = _DURATION.fullmatch(text)
    if found is None or not text:
        return None
    hours, minutes, seconds, fraction = (group or "0" for group in found.groups())
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * NS_PER_S + int(fraction.ljust(9, "0"))


def error_code(text: str) -> str:
    """Return the error code of EC2 in a message; empty if there is none.

    >>> error_code("attachENI: failed: AttachmentLimitExceeded: Interface count 4 exceeds the limit")
    'AttachmentLimitExceeded'
    """
    found = _SDK_2.search(text)
    if found is not None:
        return found[1]
    codes: list[str] = _CODE.findall(text.partition("status code: ")[0])
    return codes[-1] if codes else ""


def _sandbox(values: Mapping[str, str]) -> str:
    if "key" in values:
        return values["key"]
    parts = (values.get("ns", ""), values.get("pod", ""), values.get("container", ""))
    return "/".join(part.strip('",') for part in parts)


def _container(values: Mapping[str, str]) -> str:
    """Return the container id. A key since 1.7.0 is network/container/interface."""
    if "container" in values:
        return values["container"].strip('",')
    return values.get("key", "").partition("/")[2].partition("/")[0]


def _as_cidr(text: str) -> str:
    """Give an address without a mask the mask of one address."""
    if "/" in text:
        return text
    return text + ("/128" if ":" in text else "/32")


def _assigned(found: Classified) -> LogEvent:
    values = found.values
    return AssignLine(_sandbox(values), values.get("ip", ""), _container(values), _SEVERAL.search(values.get("metadata", "")) is not None)


def _unassigned(values: Mapping[str, str], *, is_cleared: bool) -> LogEvent:
    return UnassignLine(_sandbox(values), values["ip"], is_cleared, _container(values))


Counts = tuple[int, int | None, int, int | None]


def pool_counts(wording: Wording, values: Mapping[str, str] | re.Match[str]) -> Counts:
    """Return how many addresses are assigned, how many there are, how many cool, and of which card, by a line with counts."""
    fields = wording.fields
    return (
        int(values["assigned"]),
        int(values["total"]) if "total" in fields else None,
        int(values["cooldown"]) if "cooldown" in fields else 0,
        int(values["card"]) if "card" in fields else None,
    )


def _pool(found: Classified) -> LogEvent:
    return PoolLine(*pool_counts(found.wording, found.values), is_exact=found.wording.kind != "pool")


def _reconcile(found: Classified) -> LogEvent:
    values = found.values
    return ReconcileLine(found.wording.kind, values.get("ip") or values.get("cidr") or values.get("eni", ""))


def _error(found: Classified) -> LogEvent:
    error = found.values.get("err", "")
    return ErrorLine(found.wording.kind, error_code(error), error)


def _plugin_answer(found: Classified) -> LogEvent:
    """Read an answer. Before 1.7.0 the line has the address, and since then the whole reply."""
    values, template = found.values, found.wording.template
    reply = values.get("proto", "")
    return PluginAnswerLine(
        container=values["container"],
        addresses=(values["ip"],) if "ip" in values else tuple(_REPLY_ADDRESS.findall(reply)),
        is_add=found.wording.kind == "plugin-add-answered",
        is_branch=_REPLY_BRANCH.search(reply) is not None or template.startswith("Handled CNI del request"),
        is_by_ipamd=not template.startswith("Handled pod teardown"),
    )


_MAKERS: dict[str, Callable[[Classified], LogEvent]] = {
    "start": lambda found: StartLine(found.values["version"]),
    "assigned": _assigned,
    "cleared": lambda found: _unassigned(found.values, is_cleared=True),
    "unassigned": lambda found: _unassigned(found.values, is_cleared=False),
    "unknown-sandbox": lambda found: UnknownSandboxLine(_sandbox(found.values)),
    "cooldown": lambda found: CooldownLine(found.values["ip"], duration_ns(found.values["duration"])),
    **dict.fromkeys(("pool", "assign-stats", "unassign-stats"), _pool),
    "cidr-added": lambda found: CidrLine(found.values["eni"], _as_cidr(found.values.get("cidr") or found.values["ip"]), is_added=True),
    "cidr-removed": lambda found: CidrLine(found.values["eni"], _as_cidr(found.values.get("cidr") or found.values["ip"]), is_added=False),
    "eni-added": lambda found: EniLine(found.values["eni"], is_added=True),
    "eni-removed": lambda found: EniLine(found.values["eni"], is_added=False),
    "eni-forced": lambda found: EniLine(found.values["eni"], is_added=False, is_forced=True),
    "plugin-add": lambda found: PluginRequestLine(found.values["container"], is_add=True),
    "plugin-del": lambda found: PluginRequestLine(found.values["container"], is_add=False),
    **dict.fromkeys(("plugin-add-answered", "plugin-del-answered"), _plugin_answer),
    "primary-skipped": lambda found: PrimaryLine(found.values["eni"], found.values["ip"]),
}
_FAILURES = {
    *("init-failed", "limits-failed", "checkpoint-failed", "eni-set-up-failed", "eni-failed", "eni-free-failed", "cidr-add-failed"),
    *("cidr-remove-failed", "ec2-unassign-failed", "ec2-failed", "reconcile-failed", "plugin-add-failed", "plugin-del-failed", "rejected"),
}


def read_event(found: Classified) -> LogEvent:
    """Return what a classified message says."""
    kind = found.wording.kind
    maker = _MAKERS.get(kind)
    if maker is not None:
        return maker(found)
    if kind in _FAILURES:
        return _error(found)
    if kind.startswith("reconcile-"):
        return _reconcile(found)
    return OtherLine(kind, found.values)


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address, with or without the mask of one address; None if it is unreadable, for example because it is masked with `x`."""
    try:
        return ipaddress.ip_address(text.removesuffix("/32").removesuffix("/128"))
    except ValueError:
        return None


def parse_cidr(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Read a CIDR; None if it is unreadable."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None

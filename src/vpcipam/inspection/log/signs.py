"""What ipamd's log tells of troubles and of its variables: signs, which an audit explains.

Promises that are broken are the subject of `LogVerifier`.
"""

import re
from collections.abc import Callable, Mapping
from typing import ClassVar

import attrs

from vpcipam._units import NS_PER_S, counted
from vpcipam.inspection.log.events import duration_ns, error_code, pool_counts
from vpcipam.inspection.log.line import LogLine
from vpcipam.inspection.log.wording import Wording

SETTING = "setting"
"""The kind of the signs that tell which variables ipamd runs with: the variable is the subject, its value the text."""

_LONGEST = 200
_MOST_SIGNS = 1_000


@attrs.frozen
class Sign:
    """A trouble that one line tells of.

    Attributes:
        kind: what it is, such as `no-address`; see `vpcipam.inspection.log.signs`.
        subject: EC2's error code, an ENI or a sandbox; empty if the kind says all.
        text: the figures or the words of the line, shortened.
    """

    kind: str
    subject: str = ""
    text: str = ""


@attrs.frozen(kw_only=True)
class LogSign:
    """A trouble that lines of one log tell of.

    Attributes:
        kind, subject: as in `Sign`.
        text: that of the last line.
        count: how many lines tell of it.
        first_line, last_line: where, from 1.
        first_ns, last_ns: when, in Unix nanoseconds; None if the lines have no readable time.
        over: what the end of the log says, if the trouble is over by then; else empty.
    """

    kind: str
    subject: str
    text: str
    count: int
    first_line: int
    last_line: int
    first_ns: int | None
    last_ns: int | None
    over: str = ""


@attrs.frozen
class _Counts:
    """The last counts of the pool. Other lines of the log have no count of those that cool."""

    assigned_count: int
    total_count: int
    cooling_count: int

    @property
    def free_count(self) -> int:
        return self.total_count - self.assigned_count - self.cooling_count

    def __str__(self) -> str:
        cooling = f", {self.cooling_count} cool down" if self.cooling_count else ""
        return f"of {counted(self.total_count, 'address', 'addresses')}, {self.assigned_count} are assigned{cooling}"


class SignFinder:
    """Finds the signs in the lines of one log, given in their order.

    Attributes:
        versions: the releases that the log names, each once.
    """

    def __init__(self) -> None:
        self.versions: list[str] = []
        self._found: dict[tuple[str, str], LogSign] = {}
        self._counts: dict[int | None, _Counts] = {}  # by network card
        self._line = self._counts_line = 0  # the last line, and the last one with counts
        self._reconciled = ""  # the ENI whose primary address was not met yet
        self._lacks_pods = False

    @property
    def counts(self) -> str:
        """The last counts of the pool, for people; empty before the first."""
        return "; ".join(f"on card {card} {counts}" if card is not None else str(counts) for card, counts in self._counts.items())

    @property
    def signs(self) -> tuple[LogSign, ...]:
        """What was found, by kind and subject, in the order of the first lines."""
        return tuple(attrs.evolve(sign, over=self._over(sign)) for sign in self._found.values())

    def _over(self, sign: LogSign) -> str:
        """Tell what the last counts say of a trouble before them: ipamd counts once it has started."""
        if self._counts_line <= sign.last_line:
            return ""
        if sign.kind == "start-failed":
            return "it started later"
        is_free = sign.kind == "no-address" and any(each.free_count > 0 for each in self._counts.values())
        return f"later, {self.counts}" if is_free else ""

    def take(self, number: int, line: LogLine, wording: Wording, match: re.Match[str]) -> None:
        """Take the next line in, with its number, its wording and the match of its fields."""
        self._line = number
        find = self._STATEFUL.get(wording.kind)
        if find is not None:
            sign = find(self, wording, match)
        elif wording.kind in _STATELESS:
            sign = _STATELESS[wording.kind](wording, match)
        else:
            return
        if sign is not None:
            self._add(number, line.when_ns, sign)

    def _add(self, number: int, when_ns: int | None, sign: Sign) -> None:
        key = (sign.kind, sign.subject)
        before = self._found.get(key)
        if before is not None:
            last_ns = before.last_ns if when_ns is None else when_ns
            self._found[key] = attrs.evolve(before, text=sign.text, count=before.count + 1, last_line=number, last_ns=last_ns)
        elif len(self._found) < _MOST_SIGNS:
            self._found[key] = LogSign(
                kind=sign.kind,
                subject=sign.subject,
                text=sign.text,
                count=1,
                first_line=number,
                last_line=number,
                first_ns=when_ns,
                last_ns=when_ns,
            )

    # --- signs that take several lines ---
    # Each method gets the wording of a line and the match of its fields, and returns the sign, if there is one.

    def _on_counts(self, wording: Wording, match: re.Match[str]) -> Sign | None:
        if not {"assigned", "total"} <= wording.fields:
            return None
        assigned_count, total_count, cooling_count, card = pool_counts(wording, match)
        before = self._counts.get(card)
        if total_count is None or ("cooldown" not in wording.fields and before is not None and before.cooling_count):
            return None  # the line before it says more
        self._counts_line = self._line
        counts = self._counts[card] = _Counts(assigned_count, total_count, cooling_count)
        is_short = match.groupdict().get("short", "0") != "0"
        if not cooling_count or assigned_count + cooling_count < total_count or is_short:
            return None
        return Sign("all-free-cool", "" if card is None else f"card {card}", str(counts))

    def _on_start(self, _wording: Wording, match: re.Match[str]) -> None:
        self._found = {key: sign for key, sign in self._found.items() if sign.kind != SETTING}  # those of the last start count
        version = _short(match["version"])
        if version not in self.versions and len(self.versions) < _MOST_SIGNS:
            self.versions.append(version)

    def _on_no_address(self, wording: Wording, _match: re.Match[str]) -> Sign | None:
        return Sign("no-address", text=self.counts) if wording.template.startswith("DataStore") else None

    def _on_reconcile(self, wording: Wording, match: re.Match[str]) -> None:
        self._reconciled = match["eni"] if wording.template == "Reconcile existing ENI {eni} IP pool" else ""

    def _on_primary(self, _wording: Wording, _match: re.Match[str]) -> None:
        self._reconciled = ""

    def _on_listed(self, _wording: Wording, match: re.Match[str]) -> Sign | None:
        """The reconcile of an ENI begins with its primary address, and leaves it out."""
        eni_id, self._reconciled = self._reconciled, ""
        return Sign("primary-in-pool", eni_id, match["ip"]) if eni_id and match["eni"] == eni_id else None

    def _on_local_pods(self, _wording: Wording, match: re.Match[str]) -> None:
        self._lacks_pods = not int(match["n"])

    def _on_pod_seen(self, _wording: Wording, match: re.Match[str]) -> Sign | None:
        return Sign("pods-forgotten", text=f"{match['ns']}/{match['pod']} has {match['ip']}") if self._lacks_pods and match["ip"] else None

    _STATEFUL: ClassVar[Mapping[str, Callable[["SignFinder", Wording, re.Match[str]], Sign | None]]] = {
        **dict.fromkeys(("pool", "warm-targets", "assign-stats"), _on_counts),
        "start": _on_start,
        "no-address": _on_no_address,
        "reconcile-eni": _on_reconcile,
        "primary-skipped": _on_primary,
        "address-listed": _on_listed,
        "local-pods": _on_local_pods,
        "pod-seen": _on_pod_seen,
    }


# --- signs of one line -----------------------------------------------------------------------------------------------------


def _failure(wording: Wording, match: re.Match[str]) -> Sign | None:
    error = match.groupdict().get("err") or match.string
    code = error_code(error)
    if wording.kind == "checkpoint-failed":
        return Sign("checkpoint-failed", text=_short(error))
    return Sign("ec2-refused", code, _short(_words(error, code))) if code else None


def _words(error: str, code: str) -> str:
    """Return EC2's own words, without what ipamd puts before them and without the request id."""
    return error[error.rfind(f"{code}: ") + len(code) + 2 :].partition("status code: ")[0]


def _setting(wording: Wording, match: re.Match[str]) -> Sign | None:
    """Tell which variable a line of the start shows. A variable that is not set has no line."""
    name = _VARIABLES.get(wording.template.rpartition(" ")[0])
    return Sign(SETTING, name, match[1]) if name else None


def _cooldown(_wording: Wording, match: re.Match[str]) -> Sign | None:
    """Tell the cooldown that ipamd has since its start. Each address that begins to cool shows it."""
    period_ns = duration_ns(match["duration"])
    return None if period_ns is None or period_ns % NS_PER_S else Sign(SETTING, "IP_COOLDOWN_PERIOD", str(period_ns // NS_PER_S))


_VARIABLES = {
    "Using MAX_ENI": "MAX_ENI",
    "Using WARM_ENI_TARGET": "WARM_ENI_TARGET",
    "Using WARM_IP_TARGET": "WARM_IP_TARGET",
    "Using MINIMUM_IP_TARGET": "MINIMUM_IP_TARGET",
    "Using WARM_PREFIX_TARGET": "WARM_PREFIX_TARGET",
    "Custom networking enabled": "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG",
    "Prefix Delegation enabled": "ENABLE_PREFIX_DELEGATION",
    "Subnet discovery enabled": "ENABLE_SUBNET_DISCOVERY",
}


def _no_checkpoint(_wording: Wording, match: re.Match[str]) -> Sign:
    error = match.groupdict().get("err")  # of releases that then ask the container runtime
    return Sign("no-checkpoint", text=_short(f"it asks the container runtime for sandboxes ({error})") if error else "it knows no sandbox")


def _cordoned(wording: Wording, _match: re.Match[str]) -> Sign | None:
    return Sign("node-cordoned") if "will not try to attach" in wording.template else None


def _no_eni_room(_wording: Wording, _match: re.Match[str]) -> Sign:
    return Sign("no-eni-room")


def _trunk(wording: Wording, _match: re.Match[str]) -> Sign | None:
    if wording.template.startswith("No slot available"):
        return Sign("no-trunk-slot")
    if "Branch ENI resource" in wording.template:
        return Sign("no-branch-eni")
    return Sign("no-trunk") if "No trunk ENI" in wording.template else None


def _start_failed(_wording: Wording, match: re.Match[str]) -> Sign:
    error = match.groupdict().get("err")
    return Sign("start-failed", text=f": {_short(error)}" if error else "")


def _leaked(wording: Wording, match: re.Match[str]) -> Sign | None:
    values = match.groupdict()
    if wording.template.startswith("Found") and int(values["n"]):
        return Sign("leaked-enis", text=counted(int(values["n"]), "ENI"))
    return Sign("leaked-eni-stays", values["eni"], _short(values["err"])) if "clean up leaked ENI" in wording.template else None


def _unknown_sandbox(_wording: Wording, match: re.Match[str]) -> Sign:
    values = match.groupdict()
    pod = "/".join(values[name].strip('",') for name in ("ns", "pod") if name in values)
    return Sign(
        "unknown-sandbox", text=_short(values.get("key") or f"pod {pod}" + ("" if values["container"] else ", without a container id"))
    )


def _short(text: str) -> str:
    """Shorten a text to one line."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


_STATELESS: Mapping[str, Callable[[Wording, re.Match[str]], Sign | None]] = {
    **dict.fromkeys(
        ("eni-failed", "eni-free-failed", "ec2-unassign-failed", "ec2-failed", "reconcile-failed", "checkpoint-failed"), _failure
    ),
    **dict.fromkeys(("targets", "mode", "limits"), _setting),
    "cooldown": _cooldown,
    "no-checkpoint": _no_checkpoint,
    "node-cordoned": _cordoned,
    "no-eni-room": _no_eni_room,
    "trunk": _trunk,
    "init-failed": _start_failed,
    "leaked-enis": _leaked,
    "unknown-sandbox": _unknown_sandbox,
}

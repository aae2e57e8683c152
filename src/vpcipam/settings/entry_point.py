"""The values with which the container exits before ipamd runs (docs/ipamd.md, "What never starts").

The rules work on texts, as the entry point does: it compares the warm targets with "0" as texts, and a variable that is set to an empty
text is not missing.
"""

from collections.abc import Iterator, Mapping

from vpcipam.settings.diagnostics import Diagnostic, never_starts, shorten
from vpcipam.settings.variables import MAX_COOLDOWN_S, parse_bool, parse_int

_VETH_PREFIX_BYTES = 4
_RESERVED_VETH_PREFIXES = ("eth", "vlan", "lo")
_SECURITY_GROUP_MODES = ("strict", "standard")
_MTU_MIN_IPV4, _MTU_MIN_IPV6, _MTU_MAX = 576, 1280, 9001
_WARM_TARGETS = ("WARM_PREFIX_TARGET", "WARM_IP_TARGET", "MINIMUM_IP_TARGET")


def entry_point_refusals(texts: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Find the variables with which the container's entry point exits with 1, so that the node never becomes ready."""
    if texts.get("AWS_VPC_K8S_PLUGIN_LOG_FILE") == "stdout":
        yield _refusal("AWS_VPC_K8S_PLUGIN_LOG_FILE", "it is 'stdout'", "write the path of a file, or stderr")
    yield from _veth_prefix(texts.get("AWS_VPC_K8S_CNI_VETHPREFIX", ""))
    yield from _security_group_mode(texts)
    yield from _cooldown(texts)
    for name in ("AWS_VPC_ENI_MTU", "POD_MTU"):
        yield from _mtu(texts, name)
    yield from _warm_targets(texts)


def _refusal(variable: str, reason: str, suggestion: str) -> Diagnostic:
    return never_starts(variable, "the container", reason, suggestion)


def _is_on(texts: Mapping[str, str], name: str) -> bool:
    return parse_bool(texts.get(name, "")) is True


def _veth_prefix(text: str) -> Iterator[Diagnostic]:
    advice = f"write up to {_VETH_PREFIX_BYTES} letters, such as eni"
    if len(text.encode("utf-8", "surrogatepass")) > _VETH_PREFIX_BYTES:
        yield _refusal("AWS_VPC_K8S_CNI_VETHPREFIX", f"{shorten(text)} is longer than {_VETH_PREFIX_BYTES} bytes", advice)
    elif text in _RESERVED_VETH_PREFIXES:
        yield _refusal("AWS_VPC_K8S_CNI_VETHPREFIX", f"{text!r} is a reserved name", advice)


def _security_group_mode(texts: Mapping[str, str]) -> Iterator[Diagnostic]:
    name = "POD_SECURITY_GROUP_ENFORCING_MODE"
    mode = texts.get(name, "strict")
    if _is_on(texts, "ENABLE_POD_ENI") and mode not in _SECURITY_GROUP_MODES:
        yield _refusal(name, f"{shorten(mode)} is not a mode, with ENABLE_POD_ENI on", "write strict or standard; case counts")


def _cooldown(texts: Mapping[str, str]) -> Iterator[Diagnostic]:
    name = "IP_COOLDOWN_PERIOD"
    if name not in texts:
        return
    seconds = parse_int(texts[name])
    if seconds is None or seconds < 0:
        what = "is not a whole number of up to 64 bits" if seconds is None else "is negative"
        yield _refusal(name, f"{shorten(texts[name])} {what}", f"write the seconds, 0 to {MAX_COOLDOWN_S}, digits alone")


def _mtu(texts: Mapping[str, str], name: str) -> Iterator[Diagnostic]:
    if name not in texts:
        return
    ipv6 = _is_on(texts, "ENABLE_IPv6")
    minimum = _MTU_MIN_IPV6 if ipv6 else _MTU_MIN_IPV4
    mtu = parse_int(texts[name])
    if mtu is None or not minimum <= mtu <= _MTU_MAX:
        what = (
            "is not a whole number of up to 64 bits"
            if mtu is None
            else f"is not from {minimum} to {_MTU_MAX}" + (", with IPv6" if ipv6 else "")
        )
        yield _refusal(name, f"{shorten(texts[name])} {what}", f"write a number from {minimum} to {_MTU_MAX}, or leave it out")


def _warm_targets(texts: Mapping[str, str]) -> Iterator[Diagnostic]:
    """The entry point compares texts. So "five" counts as above 0, and "+5" does not."""
    targets = {name: texts.get(name, "0") for name in _WARM_TARGETS}
    if not _is_on(texts, "ENABLE_PREFIX_DELEGATION") or any(text > "0" for text in targets.values()):
        return
    reason = f"with prefix delegation, none of {', '.join(_WARM_TARGETS)} is above 0"
    for name, text in targets.items():
        number = parse_int(text) or 0
        if number > 0:
            reason += f"; {name} {shorten(text)} does not count, because the entry point compares texts: write {number}"
    yield _refusal("WARM_PREFIX_TARGET", reason, "set one of them to 1 or more; the shipped manifest has WARM_PREFIX_TARGET 1")

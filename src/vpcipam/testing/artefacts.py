"""A Hypothesis strategy for files of nodes and clusters, as people have them: in the shapes of several releases, and with dirt.

>>> import hypothesis
>>> @hypothesis.given(artefact=artefacts())
... def test_my_reader_finds_what_is_held(artefact):
...     ...
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from vpcipam.errors import MissingExtra

try:
    import hypothesis.strategies as st
except ImportError:  # pragma: no cover  # the tests have it
    raise MissingExtra("the strategies need Hypothesis: pip install 'vpcipam[testing]'") from None

_TIME = "2026-03-01T10:00:00Z"
_TIME_NS = 1_772_359_200_000_000_000
_ENI_IDS = ("eni-0a", "eni-0b")
_MOST_HELD = 4


@attrs.frozen
class Artefact:
    """A file.

    Attributes:
        kind: its shape: a key of `SHAPES`.
        text: its content.
        held: the addresses that sandboxes or pods hold by it, sorted.
        is_dirty: people have changed it.
        is_cut: it lacks its end, so that some of `held` may be missing.
    """

    kind: str
    text: str
    held: tuple[str, ...]
    is_dirty: bool = False
    is_cut: bool = False


# --- shapes: each makes a document from the held addresses, by ENI -----------------------------------------------------------


def _by_eni(held: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {eni_id: held[place :: len(_ENI_IDS)] for place, eni_id in enumerate(_ENI_IDS)}


def _checkpoint(held: tuple[str, ...], *, full: bool) -> dict[str, Any]:
    more = {"allocationTimestamp": _TIME_NS, "metadata": {"k8sPodNamespace": "default", "k8sPodName": "web"}} if full else {}
    entries = [{"networkName": "aws-cni", "containerID": f"c{address}", "ifName": "eth0", "ipv4": address} | more for address in held]
    return {"version": "vpc-cni-ipam/1", "allocations": entries}


def _oldest_enis(held: tuple[str, ...]) -> dict[str, Any]:
    pools = {
        eni_id: {"Id": eni_id, "IsPrimary": False, "IPv4Addresses": {each: {"Assigned": True} for each in addresses}}
        for eni_id, addresses in _by_eni(held).items()
    }
    return {"TotalIPs": len(held), "AssignedIPs": len(held), "ENIIPPools": pools}


def _address(address: str, *, named: bool) -> dict[str, Any]:
    key = {"networkName": "aws-cni", "containerID": f"c{address}" if named else "", "ifName": "eth0" if named else ""}
    metadata = {"k8sPodNamespace": "default", "k8sPodName": f"web-{address}"}
    return {"Address": address, "IPAMKey": key, "IPAMMetadata": metadata, "AssignedTime": _TIME, "UnassignedTime": "0001-01-01T00:00:00Z"}


def _enis(held: tuple[str, ...], *, by_card: bool, named: bool) -> dict[str, Any]:
    later = {"RouteTableID": 254, "SubnetID": "subnet-1", "IsExcludedForPodIPs": False} if by_card else {}
    enis = {
        eni_id: {
            "ID": eni_id,
            "IsPrimary": eni_id == _ENI_IDS[0],
            "IsTrunk": False,
            "DeviceNumber": _ENI_IDS.index(eni_id),
            "AvailableIPv4Cidrs": {
                f"{each}/32": {"IPAddresses": {each: _address(each, named=named)}, "IsPrefix": False} for each in addresses
            },
        }
        | later
        for eni_id, addresses in _by_eni(held).items()
    }
    datastore = {"TotalIPs": len(held), "AssignedIPs": len(held), "ENIs": enis}
    return {"0": datastore} if by_card else datastore


def _pods(held: tuple[str, ...], kind: str) -> dict[str, Any]:
    items = [
        {
            "metadata": {"namespace": "default", "name": f"web-{place}"},
            "spec": {"nodeName": "node-1"},
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
        }
        for place, address in enumerate(held)
    ]
    typed = [{"kind": "Pod", "apiVersion": "v1"} | item for item in items] if kind == "List" else items
    return {"kind": kind, "apiVersion": "v1", "items": typed}


SHAPES: Mapping[str, Callable[[tuple[str, ...]], Any]] = {
    "ipam.json of v1.7": lambda held: _checkpoint(held, full=False),
    "ipam.json of v1.11": lambda held: _checkpoint(held, full=True),
    "/v1/enis before v1.0": _oldest_enis,
    "/v1/enis of v1.11": lambda held: _enis(held, by_card=False, named=True),
    "/v1/enis of v1.22": lambda held: _enis(held, by_card=True, named=True),
    "/v1/enis of v1.23": lambda held: _enis(held, by_card=True, named=False),
    "pods in a List": lambda held: _pods(held, "List"),
    "pods in a PodList": lambda held: _pods(held, "PodList"),
}
"""What each kind of artefact is made of."""


# --- the strategy ------------------------------------------------------------------------------------------------------------


def _with_prompt(text: str) -> str:
    return f"$ curl -s http://localhost:61679/v1/enis | tee out\n{text}\n$ "


def _with_progress(text: str) -> str:
    return f"  % Total    % Received % Xferd  Average Speed\n100  1024  100  1024    0     0  99000      0 --:--:-- --:--:-- 99000\n{text}"


def _in_python(text: str) -> str:
    return repr(json.loads(text))


@st.composite
def artefacts(draw: st.DrawFn, *, dirty: bool | None = None) -> Artefact:
    """Generate files of nodes and clusters.

    Args:
        draw: given by Hypothesis.
        dirty: True for files that people have changed, with a prompt, with curl's progress, in Python's notation, or cut off; False for
            files as they were written; None for both.
    """
    kind = draw(st.sampled_from(sorted(SHAPES)))
    last = draw(st.lists(st.integers(4, 250), max_size=_MOST_HELD, unique=True))
    held = tuple(f"10.0.0.{each}" for each in sorted(last))
    text = json.dumps(SHAPES[kind](held), indent=draw(st.sampled_from((None, 2))))
    if not (draw(st.booleans()) if dirty is None else dirty):
        return Artefact(kind, text, tuple(sorted(held)))
    change = draw(st.sampled_from((_with_prompt, _with_progress, _in_python, None)))
    changed = text[: draw(st.integers(1, len(text) - 1))] if change is None else change(text)
    return Artefact(kind, changed, tuple(sorted(held)), is_dirty=True, is_cut=change is None)

"""ipamd's checkpoint, `ipam.json`, and single allocations that were cut out of it."""

from collections.abc import Mapping
from typing import Any

from vpcipam.inspection.readers.collector import CUT, Collector, mappings, member
from vpcipam.inspection.readers.scraps import below
from vpcipam.inspection.releases import Releases
from vpcipam.journal.allocations import find_contradictions, parse_allocation
from vpcipam.journal.checkpoint import CHECKPOINT_VERSION
from vpcipam.journal.protocol import Assigned
from vpcipam.settings.documents import kind_of

KIND = "ipamd's checkpoint (ipam.json)"
CANNOT_SHOW = (
    "ENIs, CIDRs and free addresses: ipam.json lists the held addresses only",
    "cooldowns: ipam.json forgets an address when it is given back",
    "network cards: each card has an ipam.json of its own, which does not say which card it is",
)
_KEY = ("networkName", "containerID", "ifName")


def is_checkpoint(value: object) -> bool:
    """Recognise a whole checkpoint, or one allocation."""
    if not isinstance(value, Mapping) or is_invented(value):
        return False
    listed = "allocations" in value and ("version" in value or isinstance(value["allocations"], list))
    return listed or all(name in value for name in _KEY)


def read_checkpoint(collector: Collector, value: Mapping[str, Any], path: str) -> None:
    """Read the allocations, also those that contradict each other: the audit reports them."""
    entries = value.get("allocations", [value])
    where = below(path, "allocations") if "allocations" in value else path
    if entries is not None and not isinstance(entries, list):
        collector.skip("allocations", f"must be a list, not {kind_of(entries)}", where)
    version = value.get("version", CHECKPOINT_VERSION)
    remarks = () if version == CHECKPOINT_VERSION else (f"its version is unknown; {CHECKPOINT_VERSION} is expected",)
    listed = mappings(entries)
    parsed = []
    for number, entry in listed:
        place = below(where, number) if "allocations" in value else where
        if collector.is_cut(place):
            collector.skip("an allocation", CUT, place)
        else:
            parsed.append((place, "", parse_allocation(place, "", entry)))
    for (place, _, _), found in zip(parsed, find_contradictions(parsed), strict=True):
        if isinstance(found, Assigned):
            collector.allocations.append(collector.fact(found, place))
        elif found.assigned is not None:
            collector.allocations.append(collector.fact(found.assigned, place))
        else:
            collector.skip("an allocation", found.message, place)
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        if not isinstance(entry, Mapping):
            collector.skip("an allocation", f"must be an object, not {kind_of(entry)}", below(where, number))
    collector.document(KIND, releases=_releases([entry for _, entry in listed]), cannot_show=CANNOT_SHOW, remarks=remarks, path=path)


def _releases(entries: list[Mapping[str, Any]]) -> Releases:
    """Return the releases that write such entries. Later ones keep the entries of earlier ones as they were, so there is no upper bound."""
    releases = Releases("v1.7.0")
    for entry in entries:
        if "ipv6" in entry:
            releases = releases.narrowed(since="v1.10.0")
        if "allocationTimestamp" in entry or "metadata" in entry:
            releases = releases.narrowed(since="v1.11.0")
        if member(entry, "metadata", "interfacesCount") is not None:
            releases = releases.narrowed(since="v1.20.0")
    return releases


def is_invented(value: object) -> bool:
    """Recognise a form of ipam.json that stands in documentation only."""
    return isinstance(value, Mapping) and isinstance(value.get("allocations"), Mapping)

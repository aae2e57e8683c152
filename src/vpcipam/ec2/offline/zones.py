"""Handlers of the actions on regions and Availability Zones. They read tables, so they need no model."""

from collections.abc import Iterable, Sequence
from typing import Final

from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.offline.request import ActionHandler, Request
from vpcipam.ec2.offline.wire import Members
from vpcipam.ec2.state.call import Call
from vpcipam.ec2.state.filter_tables import REGION_FILTERS, ZONE_FILTERS
from vpcipam.ec2.state.filters import matching
from vpcipam.ec2.state.names import OPT_IN_REGIONS, REGIONS, region_domain, zone_id, zones_of


def _describe_zones(request: Request) -> Members:
    region = request.region.name
    everything = zones_of(region)
    names, ids = request.texts("ZoneNames"), request.texts("ZoneIds")
    if names and ids:
        raise request.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "Specify ZoneNames or ZoneIds, not both")
    _require_known(request, "availability zone", names, everything)
    _require_known(request, "availability zone", ids, tuple(map(zone_id, everything)))
    chosen = [zone for zone in everything if (not names or zone in names) and (not ids or zone_id(zone) in ids)]
    found = matching(Call(request.action, request.now_ns), chosen, ZONE_FILTERS, request.filters())
    return {
        "AvailabilityZones": [
            {
                "GroupName": f"{region}-zg-1",
                "Messages": [],
                "NetworkBorderGroup": region,
                "OptInStatus": "opt-in-not-required",
                "RegionName": region,
                "State": "available",
                "ZoneId": zone_id(zone),
                "ZoneName": zone,
                "ZoneType": "availability-zone",
            }
            for zone in found
        ]
    }


def _describe_regions(request: Request) -> Members:
    domain = region_domain(request.region.name)
    known = [name for name in REGIONS if region_domain(name) == domain]
    names = request.texts("RegionNames")
    _require_known(request, "region", names, known)
    shown = [name for name in known if name in names or (not names and (request.get("AllRegions") or name not in OPT_IN_REGIONS))]
    found = matching(Call(request.action, request.now_ns), shown, REGION_FILTERS, request.filters())
    return {
        "Regions": [
            {
                "Endpoint": f"ec2.{name}.{domain}",
                "OptInStatus": "not-opted-in" if name in OPT_IN_REGIONS else "opt-in-not-required",
                "RegionName": name,
            }
            for name in found
        ]
    }


def _require_known(request: Request, kind: str, names: Iterable[str], known: Sequence[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"Invalid {kind}: [{', '.join(unknown)}]")


ACTIONS: Final = {
    "DescribeAvailabilityZones": ActionHandler(
        _describe_zones, takes={"ZoneNames", "ZoneIds", "Filters"}, ignores={"AllAvailabilityZones"}
    ),
    "DescribeRegions": ActionHandler(_describe_regions, takes={"RegionNames", "AllRegions", "Filters"}),
}

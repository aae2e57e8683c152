"""What an ENI beside the primary one needs: its address, and a routing table by which its pods' packets leave."""

import errno
import ipaddress
from collections.abc import Iterable, Iterator

from vpcipam.datapath.layout import FROM_ENI_PRIORITY, DatapathEni, everywhere, subnet_gateway, whole
from vpcipam.datapath.options import datapath_options
from vpcipam.datapath.values import Address, Link, Mode, Readable, Route, Rule, Step, family_of
from vpcipam.errors import InvalidArgument
from vpcipam.settings import Settings

_ROUTE_TRIES = 5


def eni_plan(eni: DatapathEni, settings: Settings, *, standing: Iterable[Readable] = ()) -> tuple[Step, ...]:
    """Return the steps that make an ENI fit for pods.

    Args:
        eni: the ENI, whose interface has appeared.
        settings: the variables of the aws-node container.
        standing: what the host's namespace has. An address that is right stays, which upstream takes away for a moment, and an ENI of
            another network card keeps the table that its rule names.

    Raises:
        InvalidArgument: it is the primary ENI, which needs no steps of its own.
        SettingsError: the container would not start with these settings.
    """
    if eni.primary:
        raise InvalidArgument(f"{eni.device} is the primary ENI, whose table is main: host_plan sets it up")
    options, there = datapath_options(settings), frozenset(standing)
    family, cidr = family_of(eni.address), whole(eni.address)
    own = Address(address=f"{eni.address}/{eni.subnet.partition('/')[2]}", device=eni.device)
    table = table_of(eni, there)
    steps = [Step(Link(name=eni.device, mtu=options.eni_mtu, up=True), Mode.REPLACE, "the ENI carries packets once it is up")]
    steps += (
        Step(each, Mode.DELETE_ONE, "only the ENI's primary address belongs on it; DHCP may have given it others")
        for each in sorted(_foreign_addresses(there, own), key=lambda each: each.address)
    )
    if own not in there:
        steps.append(Step(own, Mode.ADD, "the node answers for the ENI's primary address"))
    steps += way_out(eni.device, subnet_gateway(eni.subnet), table, "this ENI", tries=_ROUTE_TRIES)
    connected = Route(
        destination=str(ipaddress.ip_network(eni.subnet)),
        device=None if family == 4 else eni.device,
        source=eni.address if family == 4 else None,
        scope="link" if family == 4 else None,
        metric=None,
        protocol=None,
    )
    reason = "the main table reaches the subnet by the primary ENI only"
    steps.append(Step(connected, Mode.DELETE_ONE, reason, tolerated=frozenset({errno.ESRCH})))
    if not eni.trunk:
        rule = Rule(source=cidr, table=table, priority=FROM_ENI_PRIORITY)
        steps.append(Step(rule, Mode.ADD, "what the node sends from the ENI's primary address leaves by the ENI"))
    return tuple(steps)


def eni_teardown(address: str) -> tuple[Step, ...]:
    """Return the steps after an ENI has gone: its routes went with its interface, but the rules of its primary address did not.

    Upstream forgets them if the ENI disappears by itself.

    Raises:
        InvalidCidr: it is no address.
    """
    return (Step(Rule(source=whole(address)), Mode.DELETE_ALL, "the rule would outlive the ENI"),)


def table_of(eni: DatapathEni, standing: Iterable[Readable]) -> int:
    """Return the routing table of an ENI. On a network card above 0 it keeps the table that its rule names, if only one names it.

    If several do, upstream may pick the table of an old formula; here it is that of today's.
    """
    found = {
        each.table
        for each in standing
        if isinstance(each, Rule) and each.source == whole(eni.address) and each.priority == FROM_ENI_PRIORITY and each.table is not None
    }
    return next(iter(found)) if eni.network_card and len(found) == 1 else eni.table


def _foreign_addresses(standing: Iterable[Readable], own: Address) -> Iterator[Address]:
    """Go through what upstream removes: the addresses of global scope and of the same version, except the right one."""
    for each in standing:
        if isinstance(each, Address) and each != own and _place(each) == _place(own):
            yield each


def _place(address: Address) -> tuple[str, str, int]:
    return address.device, address.scope, family_of(address.address)


def way_out(device: str, gateway: str, table: int, what: str, *, tries: int = 1) -> Iterator[Step]:
    """Return the routes of a table whose packets leave by one interface."""
    beside = Route(destination=whole(gateway), device=device, table=table)
    beyond = Route(destination=everywhere(family_of(gateway)), gateway=gateway, device=device, table=table)
    yield Step(beside, Mode.REPLACE, f"the subnet's gateway is on {what}", tries=tries)
    yield Step(beyond, Mode.REPLACE, f"everything in this table leaves by {what}", tries=tries)

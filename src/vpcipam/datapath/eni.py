"""What an ENI beside the primary one needs: its address, and a routing table by which its pods' packets leave."""

import errno
from collections.abc import Iterable

from vpcipam.datapath.layout import FROM_ENI_PRIORITY, DatapathEni, subnet_gateway
from vpcipam.datapath.options import datapath_options
from vpcipam.datapath.pieces import way_out
from vpcipam.datapath.values import Address, Link, Mode, Readable, Route, Rule, Step, family_of, matches
from vpcipam.errors import InvalidArgument
from vpcipam.settings import Settings


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
    there, family = frozenset(standing), family_of(eni.address)
    table, mtu = table_of(eni, there), datapath_options(settings).eni_mtu
    own = Address(address=f"{eni.address}/{eni.subnet.partition('/')[2]}", device=eni.device)
    others = (each for each in there if isinstance(each, Address) and _place(each) == _place(own) and each != own)
    connected = (
        Route(destination=eni.subnet, source=eni.address, scope="link", metric=None, protocol=None)
        if family == 4
        else Route(destination=eni.subnet, device=eni.device, scope=None, metric=None, protocol=None)
    )
    steps = [Step(Link(name=eni.device, mtu=mtu, up=True), Mode.REPLACE, "the ENI carries packets once it is up")]
    reason = "only the ENI's primary address belongs on it; DHCP may have given it others"
    steps += (Step(each, Mode.DELETE_ONE, reason) for each in sorted(others, key=repr))
    if own not in there:
        steps.append(Step(own, Mode.ADD, "the node answers for the ENI's primary address"))
    steps += way_out(eni.device, subnet_gateway(eni.subnet), table, "this ENI")
    reason = "the main table reaches the subnet by the primary ENI only"
    steps.append(Step(connected, Mode.DELETE_ONE, reason, tolerated=frozenset({errno.ESRCH})))
    if not eni.trunk:
        rule = Rule(source=eni.address, table=table, priority=FROM_ENI_PRIORITY)
        steps.append(Step(rule, Mode.ADD, "what the node sends from the ENI's primary address leaves by the ENI"))
    return tuple(steps)


def eni_teardown(address: str) -> tuple[Step, ...]:
    """Return the steps after an ENI has gone: its routes went with its interface, but the rules of its primary address did not.

    Upstream forgets them if the ENI disappears by itself.

    Raises:
        InvalidCidr: it is no address.
    """
    return (Step(Rule(source=address), Mode.ABSENT, "the rule would outlive the ENI"),)


def table_of(eni: DatapathEni, standing: Iterable[Readable]) -> int:
    """Return the routing table of an ENI. On a network card above 0 it keeps the table that its rule names, if only one names it.

    If several do, upstream may pick the table of an old formula; here it is that of today's.
    """
    own = Rule(source=eni.address, priority=FROM_ENI_PRIORITY)
    found = {each.table for each in standing if isinstance(each, Rule) and matches(own, each) and each.table is not None}
    return found.pop() if eni.network_card and len(found) == 1 else eni.table


def _place(address: Address) -> tuple[str, str, int]:
    """Return what the addresses have in common that upstream removes from an ENI: those of global scope, of the pods' IP version."""
    return address.device, address.scope, family_of(address.address)

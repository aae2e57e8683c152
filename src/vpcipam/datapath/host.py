"""What a node needs once, before its pods: kernel settings, the rule for marked traffic, source NAT, and the marks of connections."""

from collections.abc import Iterable, Iterator

from vpcipam.address import Cidr
from vpcipam.datapath import layout
from vpcipam.datapath.layout import DatapathEni
from vpcipam.datapath.nft import TABLE, connmark_table
from vpcipam.datapath.options import DatapathOptions, datapath_options
from vpcipam.datapath.ownership import owned
from vpcipam.datapath.pieces import IF_THERE, setting
from vpcipam.datapath.values import LOCAL_TABLE, MAIN_TABLE, Link, Mode, NftTable, Readable, Rule, Step, XtablesChain, XtablesRule
from vpcipam.datapath.xtables import CONNMARK_CHAIN, SNAT_CHAIN, reject_new, restore_mark, return_to, set_mark
from vpcipam.errors import InvalidArgument, InvalidCidr
from vpcipam.settings import Settings


def host_plan(
    primary: DatapathEni, settings: Settings, vpc_cidrs: Iterable[str], *, nftables: bool = False, standing: Iterable[Readable] = ()
) -> tuple[Step, ...]:
    """Return the steps that set a node up, or bring it up to date after a change of the VPC's CIDRs or of the settings.

    Args:
        primary: the primary ENI.
        settings: the variables of the aws-node container.
        vpc_cidrs: the CIDRs of the VPC, IPv4; those to which traffic keeps its source.
        nftables: connections are marked with nftables; upstream does so unless its iptables is a legacy one.
        standing: what the host's namespace has. Without it, rules 1535 of former settings stay.

    Raises:
        InvalidArgument: the ENI is not the primary one, or there is no VPC CIDR.
        InvalidCidr: a CIDR of the VPC is none.
        SettingsError: the container would not start with these settings.
    """
    options, there = datapath_options(settings), frozenset(standing)
    if not primary.primary:
        raise InvalidArgument(f"{primary.device} is not the primary ENI: eni_plan sets it up")
    cidrs = tuple(map(_ipv4_cidr, vpc_cidrs))
    if not cidrs and not options.ipv6:
        raise InvalidArgument("the VPC has no IPv4 CIDR; give those that EC2 shows for it")
    steps = [*_settings(primary.device, options)]
    steps.append(Step(Link(name=primary.device, mtu=options.eni_mtu), Mode.REPLACE, "AWS_VPC_ENI_MTU sets the MTU of every ENI"))
    steps += _egress_block(options)
    steps += _rules(options)
    if not options.ipv6:
        steps += _source_nat(primary, options, cidrs)
        steps += _marks(primary.device, options)
        steps += _connection_marks(options, (*cidrs, *options.exclude_snat_cidrs), nftables=nftables, there=there)
    return (*steps, *_external_services(options, owned(there, settings)))


def _ipv4_cidr(text: str) -> str:
    cidr = Cidr.parse(text)
    if cidr.version != 4:
        raise InvalidCidr(f"{text!r} is an IPv6 CIDR; source NAT takes the IPv4 CIDRs of the VPC")
    return str(cidr)


# --- kernel settings ------------------------------------------------------------------------------------------------------


def _settings(device: str, options: DatapathOptions) -> Iterator[Step]:
    """Do what the init container does. IPv4 forwarding is left to the container runtime."""
    loose = "a strict check would drop node-port packets whose answers leave by another ENI"
    yield setting(f"net/ipv4/conf/{device}/rp_filter", "2", loose)
    early = "the kernel finds the socket of a packet early"
    late = "DISABLE_TCP_EARLY_DEMUX lets the kubelet probe pods with branch ENIs over TCP"
    demux = ("1", early) if options.tcp_early_demux else ("0", late)
    yield setting("net/ipv4/tcp_early_demux", *demux, tolerated=IF_THERE)
    if options.ipv6:
        yield setting("net/ipv6/conf/all/disable_ipv6", "0", "the node has IPv6")
    if options.ipv6 or options.egress:
        yield setting("net/ipv6/conf/all/forwarding", "1", "the node routes IPv6 packets of its pods")
        yield setting(f"net/ipv6/conf/{device}/accept_ra", "2", "a router accepts the routes that the VPC announces only with 2")


def _egress_block(options: DatapathOptions) -> Iterator[Step]:
    """Keep pods of other nodes from the addresses that pods have only for their way out."""
    version = 4 if options.ipv6 else 6
    if options.ipv6 or options.egress:
        rule = XtablesRule(family=version, table="filter", chain="FORWARD", rule=reject_new(layout.EGRESS_RANGES[version]), first=True)
        yield Step(rule, Mode.ADD, "nobody opens connections to the addresses that pods have for egress only")


# --- rules ----------------------------------------------------------------------------------------------------------------


def _rules(options: DatapathOptions) -> Iterator[Step]:
    marked = Rule(priority=layout.MARK_PRIORITY, mark=options.mark, mask=options.mark, table=MAIN_TABLE, family=options.family)
    if options.marks_packets:
        yield Step(marked, Mode.ADD, "marked packets leave by the primary ENI")
    else:
        yield Step(marked, Mode.ABSENT, "nothing marks packets")
    if not (options.branch_enis and options.strict):
        return
    local = Rule(priority=layout.LOCAL_PRIORITY, table=LOCAL_TABLE, family=options.family)
    yield Step(local, Mode.ADD, "the rules of branch ENIs come before the local table, so that all of their packets leave the node")
    first = Rule(priority=0, table=LOCAL_TABLE, family=options.family)
    yield Step(first, Mode.DELETE_ONE, "the local table now has a lower place", tolerated=IF_THERE)
    if options.ipv6:
        gateway = Rule(priority=0, source=layout.IPV6_SUBNET_GATEWAY, ip_protocol="ipv6-icmp", table=LOCAL_TABLE)
        yield Step(gateway, Mode.ADD, "branch ENIs resolve their gateway by its answers")


def _external_services(options: DatapathOptions, there: Iterable[Readable]) -> Iterator[Step]:
    priority = layout.EXTERNAL_SERVICE_PRIORITY
    wanted = [Rule(priority=priority, destination=cidr, table=MAIN_TABLE) for cidr in options.external_service_cidrs]
    former = (each for each in there if isinstance(each, Rule) and each.priority == priority and each not in wanted)
    for rule in sorted(former, key=repr):
        yield Step(rule, Mode.ABSENT, "AWS_EXTERNAL_SERVICE_CIDRS no longer has it", fatal=False)
    for rule in wanted:
        yield Step(rule, Mode.ADD, "AWS_EXTERNAL_SERVICE_CIDRS: traffic there leaves by the primary ENI", fatal=False)


# --- source NAT and marks -------------------------------------------------------------------------------------------------


def _source_nat(primary: DatapathEni, options: DatapathOptions, vpc_cidrs: tuple[str, ...]) -> Iterator[Step]:
    jump = XtablesRule(table="nat", chain="POSTROUTING", rule=f"-j {SNAT_CHAIN}")
    if options.external_snat:
        yield Step(jump, Mode.ABSENT, "AWS_VPC_K8S_CNI_EXTERNALSNAT: something else does source NAT")
        yield Step(XtablesChain(table="nat", name=SNAT_CHAIN), Mode.REPLACE, "the chain is empty without source NAT")
        return
    # Each is inserted before the others, so that the last comes first.
    returns = [return_to(cidr) for cidr in reversed((*vpc_cidrs, *options.exclude_snat_cidrs))]
    snat = f"! -o vlan+ -m addrtype ! --dst-type LOCAL -j SNAT --to-source {primary.address} {options.snat_flag}".rstrip()
    chain = XtablesChain(table="nat", name=SNAT_CHAIN, rules=(*returns, snat))
    yield Step(chain, Mode.REPLACE, "traffic that leaves the VPC gets the node's address; traffic within it keeps its own")
    yield Step(jump, Mode.ADD, "everything that leaves the node passes the chain")


def _marks(device: str, options: DatapathOptions) -> Iterator[Step]:
    restore, node_ports = restore_mark(options.mark), options.node_port_support
    to_node = f"-i {device} -m addrtype --dst-type LOCAL --limit-iface-in {set_mark(options.mark)}"
    yield _mark(to_node, node_ports, "connections to node ports come in by the primary ENI, and their answers must leave by it")
    of_pods = "packets of pods have the mark of their connection, so that the rule for marked packets finds them"
    yield _mark(f"-i {options.veth_prefix}+ {restore}", options.marks_packets, of_pods)
    yield _mark(f"-i vlan+ {restore}", node_ports, "packets of pods with branch ENIs have it too")


def _mark(rule: str, on: bool, reason: str) -> Step:  # noqa: FBT001 - what the settings say
    value = XtablesRule(table="mangle", chain="PREROUTING", rule=rule)
    return Step(value, Mode.ADD, reason) if on else Step(value, Mode.ABSENT, "the settings turn it off")


def _connection_marks(options: DatapathOptions, exempt: tuple[str, ...], *, nftables: bool, there: frozenset[Readable]) -> Iterator[Step]:
    """Mark the pods' connections to anywhere outside the VPC, with one of the two programs; remove what the other has left."""
    reason = "connections of pods that leave the VPC leave by the primary ENI"
    if nftables and not options.external_snat:
        yield Step(connmark_table(options.veth_prefix, options.mark, exempt), Mode.REPLACE, reason)
    else:
        yield Step(NftTable(name=TABLE), Mode.ABSENT, "nftables marks no connections")
    rules = (*(return_to(cidr) for cidr in reversed(exempt)), set_mark(options.mark))
    chain = XtablesChain(table="nat", name=CONNMARK_CHAIN, rules=rules)
    jump = XtablesRule(table="nat", chain="PREROUTING", rule=f"-i {options.veth_prefix}+ -j {CONNMARK_CHAIN}")
    restore = XtablesRule(table="nat", chain="PREROUTING", rule=restore_mark(options.mark))
    if nftables or options.external_snat:
        for each in (jump, restore, chain):
            yield Step(each, Mode.ABSENT, "iptables marks no connections")
        return
    yield Step(chain, Mode.REPLACE, reason)
    if jump not in there:
        yield Step(restore, Mode.ABSENT, "it must come after the jump")
    yield Step(jump, Mode.ADD, "the first packet of each connection of a pod passes the chain")
    yield Step(restore, Mode.ADD, "the first packet has the mark of its connection too")

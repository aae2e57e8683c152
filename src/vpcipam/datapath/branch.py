"""What a pod with security groups needs: its own branch ENI, as a VLAN on the trunk ENI."""

from collections.abc import Iterator

from vpcipam.datapath import layout
from vpcipam.datapath.layout import BranchEni
from vpcipam.datapath.options import datapath_options
from vpcipam.datapath.pieces import parted, quiet_ipv6, way_out
from vpcipam.datapath.pod import connect, host_side, host_side_teardown, without_ipv6
from vpcipam.datapath.values import Link, Mode, Route, Rule, Step, Vlan, family_of
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings


def branch_plan(key: SandboxKey, pod: PodRef | None, branch: BranchEni, settings: Settings) -> tuple[Step, ...]:
    """Return the steps that connect a pod with security groups by its branch ENI.

    In strict mode all of its traffic leaves by the branch ENI. In standard mode it is routed like that of other pods.

    Raises:
        SettingsError: the container would not start with these settings.
        InvalidSandboxKey: the key names no sandbox.
    """
    options = datapath_options(settings)
    table, name = layout.branch_table(branch.vlan_id), layout.vlan_interface(branch.vlan_id)
    device = layout.host_interface(layout.STRICT_BRANCH_PREFIX if options.strict else options.veth_prefix, key, pod)
    former = Rule(priority=layout.BRANCH_PRIORITY, iif=device, family=family_of(branch.address))
    vlan = Vlan(name=name, parent=branch.trunk_device, vlan_id=branch.vlan_id, mac=branch.mac, mtu=options.eni_mtu)
    return (
        *connect(key, device, 0, branch.address, options),
        Step(former, Mode.ABSENT, "a former pod of this name may have left rules"),
        Step(Link(name=name), Mode.ABSENT, "a former pod may have left the device of this VLAN id"),
        Step(vlan, Mode.EXCLUSIVE, "the trunk ENI carries the branch ENI's packets under this VLAN id"),
        *quiet_ipv6(name),
        Step(Link(name=name, up=True), Mode.REPLACE, "the device carries packets once it is up"),
        *way_out(name, layout.subnet_gateway(branch.subnet), table, "the branch ENI"),
        *(_strict_host_side(branch, device, table) if options.strict else host_side(branch.address, device, table)),
        *without_ipv6(options),
    )


def _strict_host_side(branch: BranchEni, device: str, table: int) -> Iterator[Step]:
    route = Route(destination=branch.address, device=device, table=table)
    yield Step(route, Mode.REPLACE, "packets for the pod that come in by the branch ENI reach its veth")
    from_branch, from_pod = _strict_rules(branch, device, table)
    yield Step(from_branch, Mode.ADD, "packets from the branch ENI go to the pod")
    yield Step(from_pod, Mode.ADD, "all of the pod's packets leave by its branch ENI")


def _strict_rules(branch: BranchEni, device: str, table: int) -> Iterator[Rule]:
    for iif in (layout.vlan_interface(branch.vlan_id), device):
        yield Rule(priority=layout.BRANCH_PRIORITY, iif=iif, table=table, family=family_of(branch.address))


def branch_teardown(key: SandboxKey, pod: PodRef | None, branch: BranchEni, settings: Settings) -> tuple[Step, ...]:
    """Return the steps that disconnect a pod with a branch ENI, whichever mode connected it. They can be repeated.

    Raises:
        SettingsError: the container would not start with these settings.
        InvalidSandboxKey: the key names no sandbox.
    """
    options, table = datapath_options(settings), layout.branch_table(branch.vlan_id)
    strict, standard = (layout.host_interface(prefix, key, pod) for prefix in (layout.STRICT_BRANCH_PREFIX, options.veth_prefix))
    return (
        Step(Link(name=layout.vlan_interface(branch.vlan_id)), Mode.ABSENT, "the VLAN device takes the branch ENI's routes along"),
        *(Step(rule, Mode.ABSENT, "nothing goes to the branch ENI's table any more") for rule in _strict_rules(branch, strict, table)),
        *host_side_teardown(branch.address, table),
        parted(key, 0, strict),
        parted(key, 0, standard),
    )

"""What a pod with security groups needs: its own branch ENI, as a VLAN on the trunk ENI."""

from vpcipam.datapath.eni import way_out
from vpcipam.datapath.layout import (
    BRANCH_PRIORITY,
    STRICT_BRANCH_PREFIX,
    BranchEni,
    branch_table,
    host_interface,
    subnet_gateway,
    vlan_interface,
    whole,
)
from vpcipam.datapath.options import datapath_options
from vpcipam.datapath.pod import connect, delete_veth, host_side, host_side_teardown, quiet_ipv6, without_ipv6
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
    family, table, vlan = family_of(branch.address), branch_table(branch.vlan_id), vlan_interface(branch.vlan_id)
    device = host_interface(STRICT_BRANCH_PREFIX if options.strict else options.veth_prefix, key, pod)
    gateway = subnet_gateway(branch.subnet)
    steps = [
        *connect(key, device, 0, branch.address, options),
        Step(Rule(priority=BRANCH_PRIORITY, iif=device, family=family), Mode.DELETE_ALL, "a former pod of this name may have left rules"),
        Step(Link(name=vlan), Mode.ABSENT, "a former pod may have left the device of this VLAN id"),
        Step(
            Vlan(name=vlan, parent=branch.trunk_device, vlan_id=branch.vlan_id, mac=branch.mac, mtu=options.eni_mtu),
            Mode.EXCLUSIVE,
            "the trunk ENI carries the branch ENI's packets under this VLAN id",
        ),
        *quiet_ipv6(vlan),
        Step(Link(name=vlan, up=True), Mode.REPLACE, "the device carries packets once it is up"),
        *way_out(vlan, gateway, table, "the branch ENI"),
    ]
    if not options.strict:
        steps += host_side(branch.address, device, table)
        return (*steps, *without_ipv6(options))
    steps.append(
        Step(
            Route(destination=whole(branch.address), device=device, table=table),
            Mode.REPLACE,
            "packets for the pod that come in by the branch ENI reach its veth",
        )
    )
    for iif, reason in ((vlan, "packets from the branch ENI go to the pod"), (device, "all of the pod's packets leave by its branch ENI")):
        steps.append(Step(Rule(priority=BRANCH_PRIORITY, iif=iif, table=table, family=family), Mode.ADD, reason))
    return (*steps, *without_ipv6(options))


def branch_teardown(key: SandboxKey, pod: PodRef | None, branch: BranchEni, settings: Settings) -> tuple[Step, ...]:
    """Return the steps that disconnect a pod with a branch ENI, whichever mode connected it. They can be repeated.

    Raises:
        SettingsError: the container would not start with these settings.
        InvalidSandboxKey: the key names no sandbox.
    """
    options = datapath_options(settings)
    table, vlan, family = branch_table(branch.vlan_id), vlan_interface(branch.vlan_id), family_of(branch.address)
    strict, standard = (host_interface(prefix, key, pod) for prefix in (STRICT_BRANCH_PREFIX, options.veth_prefix))
    rules = (Rule(priority=BRANCH_PRIORITY, iif=iif, table=table, family=family) for iif in (vlan, strict))
    return (
        Step(Link(name=vlan), Mode.ABSENT, "the VLAN device takes the branch ENI's routes along"),
        *(Step(rule, Mode.DELETE_ALL, "nothing goes to the branch ENI's table any more") for rule in rules),
        *host_side_teardown(branch.address, table),
        *(delete_veth(key, device, 0) for device in (strict, standard)),
    )

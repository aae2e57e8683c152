"""The kernel as the agent's `Wiring`: it carries out the plans of `vpcipam.datapath`. Needs pyroute2 and root."""

import subprocess
from collections.abc import Callable, Iterable, Mapping

import attrs

from vpcipam.agent.wiring import PodInterface
from vpcipam.datapath import layout
from vpcipam.datapath.apply import apply
from vpcipam.datapath.commands import describe
from vpcipam.datapath.eni import eni_plan, eni_teardown, table_of
from vpcipam.datapath.host import host_plan
from vpcipam.datapath.layout import DatapathEni, PodAddress
from vpcipam.datapath.options import datapath_options
from vpcipam.datapath.ownership import owned
from vpcipam.datapath.pod import host_side_teardown, pod_plan, pod_teardown
from vpcipam.datapath.read import read
from vpcipam.datapath.values import MAIN_TABLE, Link, Mode, Readable, Route, Rule, Step, Sysctl, expected
from vpcipam.ec2.api import NetworkInterface, Subnet
from vpcipam.errors import DatapathError
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings
from vpcipam.stats import Assignment

_ASK_VERSION = ("iptables", "--version")


def uses_nftables() -> bool:
    """Tell whether the host's iptables writes to nftables, so that connections are marked there (upstream decides by the same text).

    Raises:
        DatapathError: there is no iptables.
    """
    try:
        told = subprocess.run(_ASK_VERSION, capture_output=True, text=True, check=True).stdout  # noqa: S603 - the program is named here
    except (OSError, subprocess.CalledProcessError):
        raise DatapathError("iptables does not run here: install iptables and nftables") from None
    return "legacy" not in told


class KernelWiring:
    """Connects pods in the kernel of this machine. See `Wiring`.

    Args:
        settings: the variables of the aws-node container.
        nftables: see `uses_nftables`.
        log: takes one line for a person: what fails for one ENI alone, and what does not matter.
        host: the path of the host's network namespace; None is that of the calling thread.

    Raises:
        SettingsError: the container would not start with these settings.
    """

    def __init__(self, settings: Settings, *, nftables: bool, log: Callable[[str], object], host: str | None = None) -> None:
        self._settings = settings
        self._options = datapath_options(settings)
        self._nftables = nftables
        self._log = log
        self._host = host
        self._tables: dict[str, int] = {}
        unwired = {"branch ENIs (ENABLE_POD_ENI)": self._options.branch_enis, "egress by the other IP version": self._options.egress}
        for what in (name for name, wanted in unwired.items() if wanted):
            log(f"pods get no {what}: the agent doesn't wire it")

    def set_up(self, enis: Iterable[NetworkInterface], subnets: Mapping[str, Subnet], vpc_cidrs: tuple[str, ...]) -> frozenset[str]:
        """Set up the node and its ENIs; see `Wiring`.

        Raises:
            DatapathError: the primary ENI has no interface here, or the kernel refuses what all pods need.
        """
        standing = read(self._host)
        devices = {link.mac: link.name for link in standing if isinstance(link, Link) and link.mac}
        found = {eni.eni_id: self._described(eni, subnets[eni.subnet_id], devices) for eni in enis}
        there = {eni_id: eni for eni_id, eni in found.items() if eni is not None}
        primary = next((eni for eni in there.values() if eni.primary), None)
        if primary is None:
            macs = ", ".join(f"{eni.mac_address} of {eni.eni_id}" for eni in enis)
            raise DatapathError(f"no interface here has the MAC of the primary ENI ({macs}): run the agent in the node's namespace")
        self._apply(host_plan(primary, self._settings, vpc_cidrs, nftables=self._nftables, standing=standing))
        usable = set()
        for eni_id, eni in there.items():
            try:
                if not eni.primary:
                    self._apply(eni_plan(eni, self._settings, standing=standing))
            except DatapathError as error:
                self._log(f"{eni_id} can't be set up: {error}")
                continue
            self._tables[eni_id] = MAIN_TABLE if eni.primary else table_of(eni, standing)
            usable.add(eni_id)
        self._forget_gone_enis(standing, {layout.whole(eni.address) for eni in there.values()})
        return frozenset(usable)

    def _described(self, eni: NetworkInterface, subnet: Subnet, devices: Mapping[str, str]) -> DatapathEni | None:
        """Describe an ENI for its plan; None if the kernel has no interface for it, or it has no address of the pods' IP version."""
        ipv6 = self._options.ipv6
        address = next(iter(filter(None, (eni.primary_ipv6, *eni.ipv6_addresses))), "") if ipv6 else eni.private_ip
        cidr = subnet.ipv6_cidr if ipv6 else subnet.cidr
        device = devices.get(eni.mac_address)
        if device is None or not address or cidr is None or eni.attachment is None:
            return None
        return DatapathEni(
            device=device,
            mac=eni.mac_address,
            address=address,
            subnet=cidr,
            device_number=eni.attachment.device_index,
            network_card=eni.attachment.network_card_index,
            trunk=eni.interface_type == "trunk",
        )

    def _forget_gone_enis(self, standing: Iterable[Readable], addresses: set[str]) -> None:
        """Remove the rules of ENIs that are gone. An ENI that has no interface yet gets its rule again when it has one."""
        for rule in owned(standing, self._settings):
            if isinstance(rule, Rule) and rule.priority == layout.FROM_ENI_PRIORITY and rule.source and rule.source not in addresses:
                self._apply(eni_teardown(rule.source.partition("/")[0]))

    def connect(self, key: SandboxKey, pod: PodRef | None, assignments: tuple[Assignment, ...], netns: str) -> tuple[PodInterface, ...]:
        """Connect a sandbox; see `Wiring`.

        Raises:
            DatapathError: the kernel refuses, for example because the interface exists in the namespace.
        """
        self._apply(self._plan(key, pod, assignments), netns)
        return tuple(
            PodInterface(
                address=each.address,
                host_name=layout.host_interface(self._options.veth_prefix, key, pod, index),
                host_mac=layout.pod_macs(key, index)[0],
                pod_name=layout.pod_interface(key, index),
                pod_mac=layout.pod_macs(key, index)[1],
                mtu=self._options.pod_mtu,
            )
            for index, each in enumerate(assignments)
        )

    def disconnect(self, key: SandboxKey, pod: PodRef | None, addresses: tuple[str, ...]) -> None:
        """Disconnect a sandbox; see `Wiring`. The ENI of its address may be gone, so its rules of any table go."""
        self._apply(pod_teardown(key, pod, [PodAddress(each, None) for each in addresses], self._settings), undo=False)

    def check(self, key: SandboxKey, pod: PodRef | None, assignments: tuple[Assignment, ...], netns: str) -> tuple[str, ...]:
        """Say what a sandbox lacks; see `Wiring`. A later plugin of the chain may have changed kernel settings and MTUs."""
        steps = self._plan(key, pod, assignments)
        missing = {"host": _checked(expected(steps)) - _checked(self.look())}
        missing["pod"] = _checked(expected(steps, "pod")) - _checked(read(netns, filters=False))
        return tuple(
            f"{describe(value)} in the {where}'s namespace" for where, values in missing.items() for value in sorted(values, key=describe)
        )

    def look(self) -> frozenset[Readable]:
        """Read the host's namespace, without its filters."""
        return read(self._host, filters=False)

    def is_connected(self, key: SandboxKey, standing: frozenset[Readable]) -> bool:
        """Tell whether the host has the interface of a sandbox, by its MAC: AWS_VPC_K8S_CNI_VETHPREFIX may have been another."""
        mac = layout.pod_macs(key)[0]
        return any(isinstance(each, Link) and each.mac == mac for each in standing)

    def repair(self, key: SandboxKey, pod: PodRef | None, assignments: tuple[Assignment, ...], standing: frozenset[Readable]) -> None:
        """Restore the routes and rules of a connected sandbox, and remove rules that send its packets out of another ENI."""
        plan = self._plan(key, pod, assignments)
        wanted = {step.value: step for step in plan if step.namespace == "host" and isinstance(step.value, Route | Rule)}
        sources = {layout.whole(each.address) for each in assignments}
        stale = [
            Step(rule, Mode.ABSENT, "the address is on another ENI now")
            for rule in standing
            if isinstance(rule, Rule) and rule.priority == layout.FROM_POD_PRIORITY and rule.source in sources and rule not in wanted
        ]
        missing = [step for value, step in wanted.items() if value not in standing]
        if missing or stale:  # mostly not
            self._apply((*missing, *stale))

    def sweep(self, held: Callable[[], frozenset[str]]) -> None:
        """Remove the routes and rules of addresses that no sandbox holds; see `Wiring`."""
        there = {cidr for value in owned(self.look(), self._settings) if (cidr := _pod_cidr(value)) is not None}
        for cidr in sorted(there - {layout.whole(address) for address in held()}):
            self._apply(tuple(host_side_teardown(cidr.partition("/")[0], None)), undo=False)

    def _plan(self, key: SandboxKey, pod: PodRef | None, assignments: tuple[Assignment, ...]) -> tuple[Step, ...]:
        addresses = [PodAddress(each.address, self._tables.get(each.eni_id, PodAddress.of(each).table)) for each in assignments]
        return pod_plan(key, pod, addresses, self._settings)

    def _apply(self, steps: Iterable[Step], netns: str | None = None, *, undo: bool = True) -> None:
        for ignored in apply(steps, host=self._host, pod=netns, undo=undo):
            self._log(str(ignored))


def _checked(values: Iterable[Readable]) -> frozenset[Readable]:
    """Leave out what a check does not compare: MTUs, also since POD_MTU may have been another, and kernel settings."""
    return frozenset(attrs.evolve(each, mtu=None) if isinstance(each, Link) else each for each in values if not isinstance(each, Sysctl))


def _pod_cidr(value: Readable) -> str | None:
    """Return the address of the pod that a rule or a route is for, None if it is for none."""
    match value:
        case Rule(priority=priority, destination=cidr) if priority == layout.TO_POD_PRIORITY:
            return cidr
        case Rule(priority=priority, source=cidr) if priority == layout.FROM_POD_PRIORITY:
            return cidr
        case Route(table=table, destination=cidr) if table == MAIN_TABLE:
            return cidr
    return None

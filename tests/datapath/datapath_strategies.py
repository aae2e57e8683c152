"""Random nodes and pods, as their plans."""

import ipaddress

from datapath_worlds import BRANCHES, IPV4, IPV6, PRIMARY, PRIMARY_IPV6, SECOND, VPC_CIDRS, changed
from hypothesis import strategies as st

from vpcipam.datapath.branch import branch_plan, branch_teardown
from vpcipam.datapath.egress import egress_plan, egress_teardown
from vpcipam.datapath.eni import eni_plan
from vpcipam.datapath.host import host_plan
from vpcipam.datapath.layout import BranchEni, PodAddress, eni_table
from vpcipam.datapath.pod import pod_plan, pod_teardown
from vpcipam.sandbox import PodRef, SandboxKey

STANDARD = changed(BRANCHES, POD_SECURITY_GROUP_ENFORCING_MODE="standard")
SETTINGS = st.sampled_from(
    [IPV4, IPV6, BRANCHES, STANDARD, changed(AWS_VPC_K8S_CNI_EXTERNALSNAT="true"), changed(ENABLE_V6_EGRESS="true"), changed(POD_MTU=1400)]
)
NUMBERS = st.integers(1, 250)


class Connected:
    """A pod: the steps that connect it, and those that disconnect it. Its repr leaves them out, since Hypothesis prints it."""

    def __init__(self, what, plan, teardown):
        self.what, self.plan, self.teardown = what, tuple(plan), tuple(teardown)

    def __repr__(self):
        return f"Connected({self.what})"


class RandomNode:
    """A node: the steps that set it up, and its pods."""

    def __init__(self, settings, plan, pods):
        self.settings, self.plan, self.pods = settings, tuple(plan), pods

    def __repr__(self):
        return f"RandomNode({dict(self.settings.variables)}, {len(self.plan)} steps, {self.pods})"

    def __iter__(self):
        return iter((self.plan, self.pods))


@st.composite
def pods(draw, settings, numbers=NUMBERS):
    """A pod of some kind. Pods of different numbers share no name, address or VLAN id."""
    number = draw(numbers)
    key, pod = SandboxKey("aws-cni", f"c{number}", "eth0"), draw(st.sampled_from([PodRef("default", f"web-{number}"), None]))
    span = "2001:db8::" if settings.enable_ipv6 else "10.0."
    places = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 15)), min_size=1, max_size=3, unique_by=lambda place: place[0]))
    addresses = [
        PodAddress(f"{span}{number:x}:{index}" if settings.enable_ipv6 else f"{span}{index + 2}.{number}", eni_table(device, card))
        for index, (card, device) in enumerate(places)
    ]
    if draw(st.booleans()):
        branch = BranchEni(
            vlan_id=number if number not in {153, 154, 155} else 1000 + number,
            mac=f"02:aa:00:00:05:{number:02x}",
            address=addresses[0].address,
            subnet="2001:db8::/64" if settings.enable_ipv6 else "10.0.0.0/16",
            trunk_device="eth1",
        )
        return Connected((pod, branch), branch_plan(key, pod, branch, settings), branch_teardown(key, pod, branch, settings))
    plan, teardown = pod_plan(key, pod, addresses, settings), pod_teardown(key, pod, addresses, settings)
    span = ipaddress.ip_network("169.254.172.0/22" if settings.enable_ipv6 else "fd00::ac:0/118")
    own, node = str(span[number + 1]), "10.0.1.10" if settings.enable_ipv6 else "2001:db8::10"
    way_out = egress_plan(key, own, node, settings)
    return Connected((pod, addresses), plan + way_out, teardown + (egress_teardown(key, own) if way_out else ()))


@st.composite
def nodes(draw, count):
    """The steps of a node, and some pods that differ in number."""
    settings = draw(SETTINGS)
    primary = PRIMARY_IPV6 if settings.enable_ipv6 else PRIMARY
    steps = host_plan(primary, settings, VPC_CIDRS, nftables=draw(st.booleans()))
    if not settings.enable_ipv6:
        steps += eni_plan(SECOND, settings)
    numbers = draw(st.lists(NUMBERS, min_size=count, max_size=count, unique=True))
    return RandomNode(settings, steps, [draw(pods(settings, st.just(number))) for number in numbers])

"""What packets of pods with security groups do, on a VLAN device, and on a stand-in for one where the kernel has no VLANs."""

import pytest
from datapath_worlds import BRANCHES, changed

from vpcipam.datapath.branch import branch_plan, branch_teardown
from vpcipam.datapath.layout import BranchEni
from vpcipam.datapath.values import Vlan
from vpcipam.sandbox import PodRef, SandboxKey

KEY, REF = SandboxKey("aws-cni", "branch", "eth0"), PodRef("default", "branch")
ADDRESS, MAC, DEVICE = "10.0.1.90", "02:aa:00:00:00:05", "vlan.eth.5"
BRANCH = BranchEni(vlan_id=5, mac=MAC, address=ADDRESS, subnet="10.0.1.0/24", trunk_device="eth1")
STANDARD = changed(BRANCHES, POD_SECURITY_GROUP_ENFORCING_MODE="standard")


@pytest.fixture(params=["VLAN", "stand-in"])
def connect(request, planned, vpc):
    """Connect a pod with a branch ENI to a new node: returns the node, the pod's namespace, and the ENI if its packets are counted."""

    def connect(settings):
        node, pod = planned.PlannedNode(vpc, 1, settings), vpc.namespace("branch")
        plan, eni = branch_plan(KEY, REF, BRANCH, settings), None
        if request.param == "VLAN":
            request.getfixturevalue("kernel_has")(
                "VLANs", "link add name probe0 type veth peer name probe1", "link add link probe0 name probe0.5 type vlan id 5"
            )
            vpc.attach_branch(node.enis[1], 5, MAC, ADDRESS)
        else:
            eni = vpc.attach(node.namespace, DEVICE, MAC, ADDRESS)
            plan = tuple(step for step in plan if not isinstance(step.value, Vlan) and not is_removal(step))
        node.apply(plan, pod.path)
        return node, pod, eni

    return connect


def is_removal(step):
    return getattr(step.value, "name", None) == DEVICE and step.mode.value == "absent"


def test_in_strict_mode_everything_leaves_by_the_branch_eni(connect, planned, vpc, sees, namespaces):
    node, pod, eni = connect(BRANCHES)
    other = planned.PlannedNode(vpc, 2)
    far, near = other.pod(("10.0.1.80", 1)), node.pod(("10.0.1.50", 0))
    assert sees(pod, far.namespace, "10.0.1.80") == ADDRESS
    assert sees(far.namespace, pod, ADDRESS) == "10.0.1.80"
    assert sees(other.namespace, pod, ADDRESS) == "10.0.1.20"
    assert sees(pod, vpc.outside, namespaces.OUTSIDE) == ADDRESS  # without source NAT
    if eni:
        for place, address in ((node.namespace, "10.0.1.10"), (near.namespace, "10.0.1.50")):
            before = eni.sent_count
            sees(pod, place, address, timeout_s=0.3)
            assert eni.sent_count > before  # even to its own node


def test_in_standard_mode_it_is_routed_as_other_pods_are(connect, planned, vpc, sees, namespaces):
    node, pod, eni = connect(STANDARD)
    far, near = planned.PlannedNode(vpc, 2).pod(("10.0.1.80", 1)), node.pod(("10.0.1.50", 0))
    before = eni and eni.sent_count
    assert sees(near.namespace, pod, ADDRESS) == "10.0.1.50"
    assert sees(pod, near.namespace, "10.0.1.50") == ADDRESS
    assert sees(pod, node.namespace, "10.0.1.10") == ADDRESS
    assert eni is None or eni.sent_count == before
    assert sees(pod, far.namespace, "10.0.1.80") == ADDRESS
    assert eni is None or eni.sent_count > before
    assert sees(pod, vpc.outside, namespaces.OUTSIDE) == "10.0.1.10"


@pytest.mark.parametrize("settings", [BRANCHES, STANDARD], ids=["strict", "standard"])
def test_nothing_is_left_of_it(connect, planned, settings):
    node, pod, _ = connect(settings)
    node.apply(branch_teardown(KEY, REF, BRANCH, settings), undo=False)
    pod.close()
    found = planned.read(node.namespace.path)
    assert not any(ADDRESS in str(each) or DEVICE in str(each) or "105" in str(each) for each in found)
    node.apply(branch_teardown(KEY, REF, BRANCH, settings), undo=False)

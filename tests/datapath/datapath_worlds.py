"""What the tests of the plans share: a sandbox, its pod, ENIs, and settings."""

from vpcipam.datapath.layout import BranchEni, DatapathEni
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings

KEY = SandboxKey("aws-cni", "c1", "eth0")
POD = PodRef("default", "web-0")
HOST_NAME = "eni0d7763386da"
VPC_CIDRS = ("10.0.0.0/16",)

IPV4 = Settings()
IPV6 = Settings().with_variables({"ENABLE_IPv6": "true", "ENABLE_IPv4": "false", "ENABLE_PREFIX_DELEGATION": "true"})
BRANCHES = Settings().with_variables({"ENABLE_POD_ENI": "true"})

PRIMARY = DatapathEni(device="eth0", mac="02:aa:00:00:00:00", address="10.0.1.10", subnet="10.0.1.0/24")
SECOND = DatapathEni(device="eth1", mac="02:aa:00:00:00:01", address="10.0.1.11", subnet="10.0.1.0/24", device_number=1)
PRIMARY_IPV6 = DatapathEni(device="eth0", mac="02:aa:00:00:00:00", address="2001:db8::10", subnet="2001:db8::/64")
BRANCH = BranchEni(vlan_id=5, mac="02:aa:00:00:00:05", address="10.0.1.90", subnet="10.0.1.0/24", trunk_device="eth1")


def changed(settings=IPV4, /, **variables):
    """Settings with some variables changed."""
    return settings.with_variables(variables)


def of_mode(steps, *modes):
    """The values of steps of some modes, in order."""
    return [step.value for step in steps if step.mode in modes]


def the_step(steps, value):
    """The only step with a value."""
    (found,) = (step for step in steps if step.value == value)
    return found

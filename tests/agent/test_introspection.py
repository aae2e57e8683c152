"""`/v1/enis`, member by member. The readers of `inspect` understand it: test_running.py."""

import pytest
from nodes_to_run import Account, Plugin, S

from vpcipam.agent.introspection import enis_document

NEVER = "0001-01-01T00:00:00Z"


def document(plugin, now_ns):
    return enis_document(plugin.agent.node.datastores, now_ns)


def test_secondary_ips(plugin):
    plugin.now_ns = 1_700_000_000 * S + 500_000_000
    plugin.add("c1", "web-0")
    plugin.add("c2")
    plugin.now_ns += 2 * S
    plugin.delete("c2")
    found = document(plugin, plugin.now_ns)["0"]
    assert (found["TotalIPs"], found["AssignedIPs"]) == (3, 1)
    (eni,) = found["ENIs"].values()
    cidrs = eni.pop("AvailableIPv4Cidrs")
    assert eni == {
        "ID": plugin.account.instance.network_interfaces[0].eni_id,
        "IsPrimary": True,
        "IsTrunk": False,
        "IsEFA": False,
        "DeviceNumber": 0,
        "IPv6Cidrs": {},
        "IsExcludedForPodIPs": False,
        "RouteTableID": 254,
        "SubnetID": plugin.account.instance.subnet_id,
    }
    addresses = {address: each for cidr in cidrs.values() for address, each in cidr["IPAddresses"].items()}
    held, cooling = addresses.values()
    assert held == {
        "Address": plugin.addresses()["c1"],
        "IPAMKey": {"networkName": "pods", "containerID": "", "ifName": ""},
        "IPAMMetadata": {"k8sPodNamespace": "default", "k8sPodName": "web-0", "interfacesCount": 1},
        "AssignedTime": "2023-11-14T22:13:20.5Z",
        "UnassignedTime": NEVER,
    }
    assert cooling | {"Address": ""} == {
        "Address": "",
        "IPAMKey": {"networkName": "", "containerID": "", "ifName": ""},
        "IPAMMetadata": {},
        "AssignedTime": NEVER,
        "UnassignedTime": "2023-11-14T22:13:22.5Z",
    }
    assert {cidr["Cidr"]["Mask"] for cidr in cidrs.values()} == {"/////w=="}
    assert not any(cidr["IsPrefix"] for cidr in cidrs.values())


@pytest.mark.parametrize(
    ("settings", "group", "mask"),
    [
        ({"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "1"}, "AvailableIPv4Cidrs", "////8A=="),
        ({"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}, "IPv6Cidrs", "/////////////wAAAAAAAA=="),
    ],
)
def test_prefixes(tmp_path, settings, group, mask):
    account = Account(tmp_path, "m5.large", settings=settings)
    agent = account.agent()
    agent.start(0)
    plugin = Plugin(account, agent)
    plugin.add("c1")
    (eni,) = document(plugin, 0)["0"]["ENIs"].values()
    (cidr,) = eni[group].values()
    assert cidr["IsPrefix"]
    assert cidr["Cidr"]["Mask"][:6] == mask[:6]
    (address,) = cidr["IPAddresses"].values()
    assert address["IPAMMetadata"] == {"interfacesCount": 1}
    agent.journals[0].close()

"""What the datapath has made is told from what others have."""

import attrs
import pytest
from datapath_worlds import BRANCH, BRANCHES, IPV4, KEY, POD, PRIMARY, SECOND, VPC_CIDRS, changed

from vpcipam.datapath.branch import branch_plan
from vpcipam.datapath.eni import eni_plan
from vpcipam.datapath.host import host_plan
from vpcipam.datapath.layout import PodAddress
from vpcipam.datapath.ownership import owned
from vpcipam.datapath.pod import pod_plan
from vpcipam.datapath.values import Address, Link, NftTable, Route, Rule, Sysctl, XtablesChain, XtablesRule, expected

CARD = attrs.evolve(SECOND, network_card=1)


@pytest.mark.parametrize("nftables", [False, True])
@pytest.mark.parametrize(
    "settings", [changed(BRANCHES, AWS_EXTERNAL_SERVICE_CIDRS="198.51.100.0/24"), changed(AWS_VPC_K8S_CNI_CONNMARK="1")]
)
def test_everything_that_plans_make_is_owned(settings, nftables):
    plan = (
        *host_plan(PRIMARY, settings, VPC_CIDRS, nftables=nftables),
        *eni_plan(CARD, settings),
        *pod_plan(KEY, POD, [PodAddress("10.0.1.50"), PodAddress("10.0.1.60", CARD.table)], settings),
        *branch_plan(KEY, POD, BRANCH, settings),
    )
    standing = expected(plan)
    found = owned(standing, settings)
    assert {each for each in standing - found if not isinstance(each, Address | Sysctl)} == {
        Link(name="eth0", mtu=9001),
        Link(name="eth1", mtu=9001, up=True),
    }
    assert {type(each) for each in found} >= {Link, Rule, Route, XtablesChain, XtablesRule}
    assert any(isinstance(each, NftTable) for each in found) == nftables


FOREIGN = [
    Link(name="eth0"),
    Link(name="enp0s5"),
    Link(name="eni0d7763386d"),
    Link(name="veth0d776338"),
    Rule(priority=0, table=255, family=4),
    Rule(priority=32766, table=254, family=4),
    Rule(priority=512, table=254, destination="10.0.1.0/24"),
    Rule(priority=512, table=2, destination="10.0.1.50/32"),
    Rule(priority=512, table=254, destination="10.0.1.50/32", iif="eth0"),
    Rule(priority=512, table=254, family=4),
    Rule(priority=1024, table=254, mark=0x100, mask=0x100, family=4),
    Rule(priority=1535, table=254, family=4),
    Rule(priority=1536, table=2, source="10.0.1.0/24"),
    Rule(priority=1536, table=2, source="10.0.1.50/32", mark=1, mask=1),
    Rule(priority=32765, table=2, source="10.0.0.0/16"),
    Rule(priority=10, table=105, iif="eth0", family=4),
    Rule(priority=20, table=105, family=4),
    Rule(priority=7, table=2, source="10.0.1.50/32"),
    Rule(priority=1536, table=51820, source="10.0.1.50/32"),
    Rule(priority=32765, table=105, source="192.168.1.5/32"),  # the kernel gives this priority to a rule without one
    Route(destination="10.0.1.0/24", device="eth0", source="10.0.1.10", protocol="kernel"),
    Route(destination="0.0.0.0/0", device="eth1", gateway="10.0.1.1", table=3),
    Address(address="10.0.1.10/24", device="eth0"),
    XtablesChain(table="nat", name="KUBE-SERVICES"),
    XtablesRule(table="nat", chain="POSTROUTING", rule="-j KUBE-POSTROUTING"),
    XtablesRule(table="mangle", chain="PREROUTING", rule="-p udp -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff"),
    XtablesRule(table="mangle", chain="POSTROUTING", rule="-m mark --mark 0xca6c -j CONNMARK --save-mark --nfmask 0x80 --ctmask 0x80"),
    XtablesRule(table="filter", chain="FORWARD", rule="-d 169.254.172.0/22 -p tcp -j ACCEPT"),
    NftTable(name="kube-proxy"),
]


@pytest.mark.parametrize("value", FOREIGN)
def test_what_others_have_is_not_owned(value):
    own_rule = Rule(priority=32765, table=2, source="10.0.1.11/32")
    assert owned([value, own_rule], IPV4) == {own_rule}

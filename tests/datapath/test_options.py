"""The variables that act on the datapath: docs/datapath.md, "Variables"."""

import pytest
from datapath_worlds import BRANCH, BRANCHES, IPV4, IPV6, KEY, POD, PRIMARY, PRIMARY_IPV6, SECOND, VPC_CIDRS, changed

from vpcipam.datapath.branch import branch_plan
from vpcipam.datapath.egress import egress_plan
from vpcipam.datapath.eni import eni_plan
from vpcipam.datapath.host import host_plan
from vpcipam.datapath.layout import PodAddress
from vpcipam.datapath.options import datapath_options, read_cidrs, read_mark
from vpcipam.datapath.pod import pod_plan
from vpcipam.errors import SettingsError
from vpcipam.settings import Settings


def test_the_manifest_as_aws_ships_it():
    options = datapath_options(Settings())
    assert (options.eni_mtu, options.pod_mtu, options.veth_prefix, options.mark) == (9001, 9001, "eni", 0x80)
    assert (options.external_snat, options.node_port_support, options.snat_flag) == (False, True, "--random-fully")
    assert (options.exclude_snat_cidrs, options.external_service_cidrs) == ((), ())
    assert (options.strict, options.egress, options.tcp_early_demux, options.disable_pod_ipv6) == (True, False, True, False)
    assert datapath_options(Settings()) == datapath_options(Settings.from_env({}))


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("0x80", 0x80), ("0X100", 0x100), ("256", 256), ("0400", 256), ("0o400", 256), ("0b1", 1), ("1_000", 1000), ("0x_80", 0x80),
        ("+8", 8), ("0b" + "0" * 5000 + "1", 1),
                ("4294967295", 2**32 - 1), ("4294967296", 0x80), ("0", 0x80),
        ("-1", 0x80), ("08", 0x80), ("", 0x80), (" 1", 0x80), ("1__0", 0x80),
        ("0x", 0x80), ("٣", 0x80), ("9" * 5000, 0x80),
    ],
)  # fmt: skip
def test_marks_are_read_as_go_does(text, mark):
    assert read_mark(text) == mark


@pytest.mark.parametrize(
    ("text", "cidrs"),
    [
        ("", ()),
        ("10.1.2.3/16", ("10.1.0.0/16",)),
        (" 10.1.0.0/16 ,\t192.0.2.0/24", ("10.1.0.0/16", "192.0.2.0/24")),
        ("10.1.0.0, 10.1.0.0/33, 10.1.0/16, 010.1.0.0/16, 2001:db8::/32, ::ffff:10.0.0.0/112, x", ()),
        ("10.1.0.0/255.255.0.0", ()),
        ("10.1.0.0/33,10.1.0.0/16,::/0,10.2.0.0/16", ("10.1.0.0/16", "10.2.0.0/16")),
    ],
)
def test_cidr_lists_skip_what_they_cannot_read(text, cidrs):
    assert read_cidrs(text) == cidrs


def test_booleans_are_read_as_go_does():
    assert datapath_options(changed(AWS_VPC_K8S_CNI_EXTERNALSNAT="T")).external_snat
    assert not datapath_options(changed(AWS_VPC_K8S_CNI_EXTERNALSNAT="yes")).external_snat
    assert datapath_options(changed(AWS_VPC_CNI_NODE_PORT_SUPPORT="no")).node_port_support


def test_what_never_starts_is_refused():
    for variables in ({"AWS_VPC_ENI_MTU": "575"}, {"AWS_VPC_K8S_CNI_VETHPREFIX": "vlan"}, {"POD_MTU": "many"}):
        with pytest.raises(SettingsError):
            datapath_options(changed(**variables))
    with pytest.raises(SettingsError, match=r"^AWS_VPC_K8S_CNI_VETHPREFIX: no interface has a name that begins with 'a/b'"):
        datapath_options(changed(AWS_VPC_K8S_CNI_VETHPREFIX="a/b"))


def everything(settings):
    """All plans of a node with one pod of each kind, with the MAC addresses left as they are."""
    ipv6 = settings.enable_ipv6
    primary = PRIMARY_IPV6 if ipv6 else PRIMARY
    address = PodAddress("2001:db8::5") if ipv6 else PodAddress("10.0.1.60", 2)
    egress = ("169.254.172.2", "10.0.1.10") if ipv6 else ("fd00::ac:2", "2001:db8::10")
    return (
        *host_plan(primary, settings, VPC_CIDRS),
        *(() if ipv6 else eni_plan(SECOND, settings)),
        *pod_plan(KEY, POD, [address], settings),
        *(() if ipv6 else branch_plan(KEY, POD, BRANCH, settings)),
        *egress_plan(KEY, *egress, settings),
    )


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        (IPV4, "AWS_VPC_ENI_MTU", "1500"),
        (IPV4, "POD_MTU", "1500"),
        (IPV4, "AWS_VPC_K8S_CNI_VETHPREFIX", "pod"),
        (IPV4, "AWS_VPC_K8S_CNI_CONNMARK", "0x100"),
        (IPV4, "AWS_VPC_K8S_CNI_EXTERNALSNAT", "true"),
        (IPV4, "AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS", "192.0.2.0/24"),
        (IPV4, "AWS_EXTERNAL_SERVICE_CIDRS", "192.0.2.0/24"),
        (IPV4, "AWS_VPC_K8S_CNI_RANDOMIZESNAT", "none"),
        (IPV4, "AWS_VPC_CNI_NODE_PORT_SUPPORT", "false"),
        (IPV4, "DISABLE_TCP_EARLY_DEMUX", "true"),
        (IPV4, "ENABLE_POD_ENI", "true"),
        (BRANCHES, "POD_SECURITY_GROUP_ENFORCING_MODE", "standard"),
        (IPV6, "ENABLE_V4_EGRESS", "false"),
        (IPV4, "ENABLE_V6_EGRESS", "true"),
        (IPV4, "DISABLE_POD_V6", "true"),
    ],
)
def test_every_variable_acts(settings, name, value):
    assert everything(settings) != everything(changed(settings, **{name: value}))


def test_the_dead_variable_does_not_act():
    assert everything(changed(AWS_VPC_K8S_CNI_CONFIGURE_RPFILTER="false")) == everything(IPV4)

"""Security groups: those of a VPC, and those of an ENI."""

import pytest

from vpcipam.ec2.state.launching import LaunchInterface


@pytest.fixture
def group(ec2, vpc):
    """A function: a new security group of the VPC, or of another one."""

    def create(name, vpc_id=vpc.vpc_id):
        return ec2.create_security_group(name, f"for {name}", vpc_id=vpc_id).group_id

    return create


@pytest.fixture
def other_vpc(ec2):
    return ec2.create_vpc("10.1.0.0/16").vpc_id


def names(ec2, **wanted):
    return [each.group_name for each in ec2.describe_security_groups(**wanted, now_ns=0)]


def test_each_vpc_has_a_default_group_that_goes_with_it(ec2, vpc, other_vpc, refused):
    first, second = ec2.security_groups
    assert [(each.group_name, each.description, each.vpc_id) for each in (first, second)] == [
        ("default", "default VPC security group", vpc.vpc_id),
        ("default", "default VPC security group", other_vpc),
    ]
    with refused("CannotDelete", f'the specified group: "{first.group_id}" name: "default" cannot be deleted by a user'):
        ec2.delete_security_group(first.group_id)
    ec2.delete_vpc(other_vpc)
    assert ec2.security_groups == (first,)


def test_a_group_is_created_found_and_deleted(ec2, vpc, other_vpc, refused):
    made = ec2.create_security_group("nodes", "of nodes", vpc_id=vpc.vpc_id, tags=[("b", "2"), ("a", "1")])
    assert (made.group_name, made.description, made.vpc_id, made.tags) == ("nodes", "of nodes", vpc.vpc_id, (("a", "1"), ("b", "2")))
    ec2.create_security_group("nodes", "of other nodes", vpc_id=other_vpc)
    assert names(ec2) == ["default", "default", "nodes", "nodes"]
    assert ec2.describe_security_groups(group_ids=[made.group_id], now_ns=0) == (made,)
    for filters in ({"description": ["of nodes"]}, {"vpc-id": [vpc.vpc_id], "group-name": ["n*"]}, {"tag:a": ["1"]}):
        assert ec2.describe_security_groups(filters=filters, now_ns=0) == (made,)
    with refused("DependencyViolation", f"The vpc '{other_vpc}' has dependencies and cannot be deleted."):
        ec2.delete_vpc(other_vpc)
    assert ec2.delete_security_group(made.group_id) == made.group_id
    with refused("InvalidGroup.NotFound", f"The security group '{made.group_id}' does not exist"):
        ec2.delete_security_group(made.group_id)
    with refused("InvalidGroup.NotFound"):
        ec2.describe_security_groups(group_ids=[made.group_id], now_ns=0)


@pytest.mark.parametrize(
    ("name", "description", "code"),
    [
        ("Default", "x", "InvalidGroup.Reserved"),
        ("NODES", "x", "InvalidGroup.Duplicate"),
        ("sg-1", "x", "InvalidParameterValue"),
        ("", "x", "MissingParameter"),
        ("a" * 256, "x", "InvalidParameterValue"),
        ("ä", "x", "InvalidParameterValue"),
        ("a", "", "MissingParameter"),
        ("a", "a\nb", "InvalidParameterValue"),
    ],
)
def test_a_group_with_a_wrong_name_is_refused(ec2, vpc, group, refused, name, description, code):  # noqa: PLR0917 - pytest names them
    group("nodes")
    with refused(code):
        ec2.create_security_group(name, description, vpc_id=vpc.vpc_id)


def test_names_mean_groups_of_the_default_vpc(ec2, vpc, refused):
    with refused("VPCIdNotSpecified"):
        ec2.create_security_group("nodes", "x")
    with refused("InvalidGroup.NotFound", "'default' does not exist in a default VPC, which there is not"):
        ec2.describe_security_groups(group_names=["default"], now_ns=0)
    default = ec2.create_default_vpc(availability_zones=["us-east-1a"]).vpc_id
    made = ec2.create_security_group("nodes", "x")
    assert made.vpc_id == default
    assert ec2.describe_security_groups(group_names=["nodes"], now_ns=0) == (made,)
    assert [each.vpc_id for each in ec2.describe_security_groups(group_names=["default"], now_ns=0)] == [default]
    ec2.create_security_group("pods", "x", vpc_id=vpc.vpc_id)
    for wanted in ("pods", "Nodes"):
        with refused("InvalidGroup.NotFound", f"'{wanted}' does not exist in default VPC '{default}'"):
            ec2.delete_security_group(group_name=wanted)
    assert ec2.delete_security_group(group_name="nodes") == made.group_id
    with refused("MissingParameter"):
        ec2.delete_security_group()


def test_an_eni_has_the_groups_given_or_the_default_one(ec2, subnet_id, eni_id, group, refused):
    def shown(eni_id):
        (eni,) = ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=0)
        return eni.security_group_names

    nodes, pods = group("nodes"), group("pods")
    assert shown(eni_id) == ("default",)
    ec2.modify_network_interface_attribute(eni_id, security_group_ids=[pods, nodes, pods], now_ns=0)
    assert shown(eni_id) == ("nodes", "pods")
    made = ec2.create_network_interface(subnet_id=subnet_id, security_group_ids=[pods], now_ns=0)
    assert (made.security_group_ids, made.security_group_names) == ((pods,), ("pods",))
    for name, value in (("group-id", nodes), ("group-name", "nod*")):
        assert [eni.eni_id for eni in ec2.describe_network_interfaces(filters={name: [value]}, now_ns=0)] == [eni_id]
    with refused("DependencyViolation", f"resource {nodes} has a dependent object"):
        ec2.delete_security_group(nodes)
    ec2.modify_network_interface_attribute(eni_id, security_group_ids=[ec2.security_groups[0].group_id], now_ns=0)
    ec2.delete_security_group(nodes)
    assert shown(eni_id) == ("default",)


def test_an_instance_has_the_groups_of_its_primary_eni(ec2, types, subnet_id, group):
    nodes, pods = group("nodes"), group("pods")
    interfaces = [
        LaunchInterface(subnet_id=subnet_id, security_group_ids=[nodes]),
        LaunchInterface(device_index=1, security_group_ids=[pods]),
    ]
    (made,) = ec2.launch_instances(types.nitro, interfaces, now_ns=0)
    assert [eni.security_group_names for eni in made.network_interfaces] == [("nodes",), ("pods",)]
    for filters, found in (
        ({"instance.group-id": [nodes]}, 1),
        ({"instance.group-name": ["pods"]}, 0),
        ({"network-interface.group-id": [pods]}, 1),
        ({"network-interface.group-name": ["default"]}, 0),
    ):
        assert len(ec2.describe_instances(filters=filters, now_ns=0)) == found


@pytest.mark.parametrize("wrong", ["unknown", "of another VPC", "six"])
def test_groups_that_an_eni_cannot_have_are_refused(ec2, subnet_id, other_vpc, group, refused, wrong):  # noqa: PLR0917 - pytest names them
    ids = {"unknown": ["sg-0"], "of another VPC": [group("a", other_vpc)], "six": [group(f"g{number}") for number in range(6)]}[wrong]
    code = "SecurityGroupsPerInterfaceLimitExceeded" if wrong == "six" else "InvalidGroup.NotFound"
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    with refused(code):
        ec2.create_network_interface(subnet_id=subnet_id, security_group_ids=ids, now_ns=0)
    with refused(code):
        ec2.modify_network_interface_attribute(eni_id, security_group_ids=ids, now_ns=0)
    with refused("InvalidParameter" if wrong == "of another VPC" else code):
        ec2.launch_instances("m5.large", [LaunchInterface(subnet_id=subnet_id, security_group_ids=ids)], now_ns=0)


def test_five_groups_are_not_too_many(ec2, subnet_id, group):
    ids = [group(f"g{number}") for number in range(5)]
    assert ec2.create_network_interface(subnet_id=subnet_id, security_group_ids=ids, now_ns=0).security_group_ids == tuple(ids)
    ec2._check()

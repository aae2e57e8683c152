"""Launch templates in the model; `test_life_agreement` has their versions and codes."""

import pytest

from vpcipam.ec2.errors import Ec2Error
from vpcipam.ec2.state.launching import LaunchInterface

DATA = {"InstanceType": "m5.large", "NetworkInterfaces": [{"DeviceIndex": 0}]}


def test_what_a_caller_changes_later_is_not_in_the_template(ec2):
    data = {"NetworkInterfaces": [{"DeviceIndex": 0}]}
    template = ec2.create_launch_template("nodes", data)
    data["NetworkInterfaces"][0]["DeviceIndex"] = 7
    for _ in range(2):
        (version,) = ec2.describe_launch_template_versions(template_id=template.template_id, now_ns=0)
        assert version.data == {"NetworkInterfaces": [{"DeviceIndex": 0}]}
        version.data["NetworkInterfaces"].clear()


def test_the_versions_of_all_templates(ec2):
    for name in ("nodes", "pods"):
        ec2.create_launch_template(name, DATA)
    ec2.create_launch_template_version({"ImageId": "ami-1"}, template_name="pods")

    def found(*versions):
        shown = ec2.describe_launch_template_versions(versions=versions, now_ns=0)
        return [(each.template_name, each.number) for each in shown]

    assert found("$Latest") == [("nodes", 1), ("pods", 2)]
    assert found("$Latest", "$Default") == [("nodes", 1), ("pods", 1), ("pods", 2)]
    for versions, code in (([], "MissingParameter"), (["1"], "InvalidParameterValue")):
        with pytest.raises(Ec2Error, match=f"{code}: To describe the launch template data for all your launch templates"):
            found(*versions)


@pytest.mark.parametrize(("lowest", "highest", "numbers"), [(None, 2, [1, 2]), (2, None, [2, 3]), (0, 9, [1, 2, 3]), (3, 1, [])])
def test_versions_from_a_lowest_to_a_highest(ec2, lowest, highest, numbers):
    ec2.create_launch_template("nodes", DATA)
    for _ in range(2):
        ec2.create_launch_template_version(DATA, template_name="nodes")
    bounds = {"min_version": lowest, "max_version": highest}
    shown = ec2.describe_launch_template_versions(template_name="nodes", **bounds, now_ns=0)
    assert [each.number for each in shown] == numbers
    with pytest.raises(Ec2Error, match="InvalidParameterCombination"):
        ec2.describe_launch_template_versions(template_name="nodes", versions=["1"], **bounds, now_ns=0)


def test_templates_are_found_by_id_and_by_name(ec2):
    first, second = ec2.create_launch_template("nodes", DATA), ec2.create_launch_template("pods", DATA)
    assert ec2.describe_launch_templates(template_ids=[second.template_id], template_names=["nodes"], now_ns=0) == (first, second)
    message = "At least one of the launch templates specified in the request does not exist."
    with pytest.raises(Ec2Error, match=f"InvalidLaunchTemplateName.NotFoundException: {message}"):
        ec2.describe_launch_templates(template_names=["nodes", "others"], now_ns=0)
    with pytest.raises(Ec2Error, match=r"InvalidLaunchTemplateId\.NotFound"):
        ec2.describe_launch_templates(template_ids=["lt-9"], now_ns=0)


def test_instances_say_which_template_they_are_from_and_nobody_can_change_that(ec2, subnet_id):
    template = ec2.create_launch_template("nodes", DATA)
    version = ec2.launch_template_version(None, "nodes")
    tags = [(f"k{number}", "") for number in range(50)]
    (instance,) = ec2.launch_instances("m5.large", [LaunchInterface(subnet_id=subnet_id)], tags=tags, launch_template=version, now_ns=0)
    own = (("aws:ec2launchtemplate:id", template.template_id), ("aws:ec2launchtemplate:version", "1"))
    assert instance.tags[:2] == own
    ec2.create_tags([instance.instance_id], [("k0", "x")], now_ns=0)  # AWS's own tags do not count
    ec2.delete_tags([instance.instance_id], now_ns=0)
    assert ec2.instance(instance.instance_id).tags == own
    with pytest.raises(Ec2Error, match="reserved for AWS"):
        ec2.delete_tags([instance.instance_id], [(own[0][0], None)], now_ns=0)


def test_a_deleted_name_can_be_used_again(ec2):
    ec2.create_launch_template("nodes", DATA)
    ec2.delete_launch_template(template_name="nodes")
    assert ec2.create_launch_template("nodes", DATA).template_id == "lt-00000000000000002"

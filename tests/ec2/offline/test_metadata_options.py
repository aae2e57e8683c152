"""Metadata options of instances: launches, changes, and what answers show. tests/ec2/serve/test_metadata.py reads the metadata."""

import pytest
from botocore.exceptions import ClientError

from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.resources import MetadataOptions
from vpcipam.errors import InvalidArgument

DEFAULTS = {
    "State": "applied",
    "HttpTokens": "required",
    "HttpPutResponseHopLimit": 2,
    "HttpEndpoint": "enabled",
    "HttpProtocolIpv6": "disabled",
    "InstanceMetadataTags": "disabled",
}
OTHERS = {
    "HttpTokens": "optional",
    "HttpPutResponseHopLimit": 64,
    "HttpEndpoint": "disabled",
    "HttpProtocolIpv6": "enabled",
    "InstanceMetadataTags": "enabled",
}


@pytest.fixture
def model():
    ec2 = Ec2Model()
    ec2.create_default_vpc()
    return ec2


@pytest.fixture
def client(model):
    return fake_client("ec2", model)


def launch(client, **members):
    return client.run_instances(MinCount=1, MaxCount=1, InstanceType="m5.large", **members)["Instances"][0]


def shown(client):
    return [instance["MetadataOptions"] for each in client.describe_instances()["Reservations"] for instance in each["Instances"]]


def refusal(call, **members):
    with pytest.raises(ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_an_instance_has_the_defaults_of_a_new_image(client):
    assert launch(client)["MetadataOptions"] == {**DEFAULTS, "State": "pending"}
    assert shown(client) == [DEFAULTS]


@pytest.mark.parametrize("name", OTHERS)
def test_each_option_can_be_chosen_at_launch(client, name):
    assert launch(client, MetadataOptions={name: OTHERS[name]})["MetadataOptions"] == {**DEFAULTS, name: OTHERS[name], "State": "pending"}
    assert shown(client) == [{**DEFAULTS, name: OTHERS[name]}]


def test_an_account_can_have_other_defaults():
    model = Ec2Model(metadata_defaults=MetadataOptions(http_tokens="optional", http_put_response_hop_limit=1))
    model.create_default_vpc()
    client = fake_client("ec2", model)
    launch(client, MetadataOptions={"HttpPutResponseHopLimit": 3})
    assert shown(client) == [{**DEFAULTS, "HttpTokens": "optional", "HttpPutResponseHopLimit": 3}]


def test_options_of_a_launch_template_are_replaced_as_a_whole(client):
    client.create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData={"MetadataOptions": OTHERS})
    launch(client, LaunchTemplate={"LaunchTemplateName": "nodes"})
    launch(client, LaunchTemplate={"LaunchTemplateName": "nodes"}, MetadataOptions={"HttpTokens": "optional"})
    assert shown(client) == [{**DEFAULTS, **OTHERS}, {**DEFAULTS, "HttpTokens": "optional"}]


@pytest.mark.parametrize("name", OTHERS)
def test_a_change_keeps_the_other_options_and_is_pending_in_its_answer(client, name):
    instance_id = launch(client)["InstanceId"]
    answer = client.modify_instance_metadata_options(InstanceId=instance_id, **{name: OTHERS[name]})
    assert answer["InstanceId"] == instance_id
    assert answer["InstanceMetadataOptions"] == {**DEFAULTS, name: OTHERS[name], "State": "pending"}
    assert shown(client) == [{**DEFAULTS, name: OTHERS[name]}]
    client.modify_instance_metadata_options(InstanceId=instance_id)
    assert shown(client) == [{**DEFAULTS, name: OTHERS[name]}]


def test_a_change_of_a_stopped_instance_is_pending_until_it_starts(client):
    one = {"InstanceIds": [launch(client)["InstanceId"]]}
    client.stop_instances(**one)
    assert shown(client) == [DEFAULTS]
    client.modify_instance_metadata_options(InstanceId=one["InstanceIds"][0], HttpEndpoint="disabled")
    assert shown(client) == [{**DEFAULTS, "HttpEndpoint": "disabled", "State": "pending"}]
    client.start_instances(**one)
    assert shown(client) == [{**DEFAULTS, "HttpEndpoint": "disabled"}]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        *(({name: "on"}, f"A value of 'on' is not valid for {name}. Specify either ") for name in OTHERS if "Limit" not in name),
        ({"HttpEndpoint": ""}, "A value of '' is not valid for HttpEndpoint. Specify either 'enabled' or 'disabled' and try again."),
        *(({"HttpPutResponseHopLimit": hops}, f"A value of '{hops}' is not valid for HttpPutResponseHopLimit") for hops in (0, 65, -1)),
    ],
)
def test_a_wrong_value_is_refused_at_launch_and_later(client, model, options, why):
    instance_id = launch(client)["InstanceId"]
    calls = (client.run_instances, {"MinCount": 1, "MaxCount": 1, "MetadataOptions": options})
    for call, members in (calls, (client.modify_instance_metadata_options, {"InstanceId": instance_id, **options})):
        code, message = refusal(call, **members)
        assert (code, message[: len(why)]) == ("InvalidParameterValue", why)
    assert shown(client) == [DEFAULTS]
    with pytest.raises(InvalidArgument, match="is not valid for"):
        model.modify_instance_metadata_options(instance_id, http_endpoint="on", now_ns=0)


def test_a_change_needs_an_instance_that_is_not_terminated(client):
    change = client.modify_instance_metadata_options
    assert refusal(change, InstanceId="i-0")[0] == "InvalidInstanceID.NotFound"
    gone = launch(client)["InstanceId"]
    client.terminate_instances(InstanceIds=[gone])
    assert refusal(change, InstanceId=gone, HttpTokens="optional")[0] == "IncorrectInstanceState"


@pytest.mark.parametrize("key", ["a/b", "a b", ".", "..", "_index", "ä"])
def test_a_tag_that_metadata_can_not_show_is_refused_where_they_show_tags(client, key):
    tagged = {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": "x"}]}]}
    tags = {"Tags": [{"Key": key, "Value": "x"}]}
    silent, shows = (
        launch(client, **tagged)["InstanceId"],
        launch(client, MetadataOptions={"InstanceMetadataTags": "enabled"})["InstanceId"],
    )
    expected = (
        f"'{key}' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{{1,255}}), and must not be a reserved name"
    )
    for call, members in (
        (client.run_instances, {"MinCount": 1, "MaxCount": 1, "MetadataOptions": {"InstanceMetadataTags": "enabled"}, **tagged}),
        (client.modify_instance_metadata_options, {"InstanceId": silent, "InstanceMetadataTags": "enabled"}),
        (client.create_tags, {"Resources": [silent, shows], **tags}),
    ):
        code, message = refusal(call, **members)
        assert (code, message[: len(expected)]) == ("InvalidParameterValue", expected)
    assert [each["Key"] for each in client.describe_tags()["Tags"]] == [key]
    client.modify_instance_metadata_options(InstanceId=shows, InstanceMetadataTags="disabled")
    client.create_tags(Resources=[shows], **tags)


def test_a_tag_of_aws_can_be_shown(client):
    client.create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData={"MetadataOptions": {"InstanceMetadataTags": "enabled"}})
    instance = launch(client, LaunchTemplate={"LaunchTemplateName": "nodes"})
    assert {each["Key"] for each in instance["Tags"]} == {"aws:ec2launchtemplate:id", "aws:ec2launchtemplate:version"}


def test_block_devices_are_not_shown(client):
    """The model has none, and EC2 shows an empty list of no running instance on EBS."""
    assert "BlockDeviceMappings" not in launch(client)
    (reservation,) = client.describe_instances()["Reservations"]
    assert "BlockDeviceMappings" not in reservation["Instances"][0]

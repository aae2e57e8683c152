"""Pages, tokens, paginators and waiters."""

import pytest
from botocore.exceptions import ClientError

from vpcipam.limits import instance_types


@pytest.fixture
def subnet_id(model):
    return model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/22").subnet_id


@pytest.fixture
def eni_ids(model, subnet_id):
    """Twelve ENIs."""
    return [model.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id for _ in range(12)]


def ids(answer):
    return [eni["NetworkInterfaceId"] for eni in answer["NetworkInterfaces"]]


def code_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_without_a_page_size_there_is_one_page(client, eni_ids):
    answer = client.describe_network_interfaces()
    assert ids(answer) == eni_ids
    assert "NextToken" not in answer


def test_an_empty_token_asks_for_the_first_page(client, eni_ids):
    """As in loops that begin with one."""
    assert ids(client.describe_network_interfaces(MaxResults=5, NextToken="")) == eni_ids[:5]


def test_the_filters_of_a_request_are_limited(client, eni_ids):
    def read(filters, values):
        return client.describe_network_interfaces(
            Filters=[{"Name": "network-interface-id", "Values": [*eni_ids, *["x"] * values]}] * filters
        )

    assert ids(read(50, 0)) == ids(read(1, 200 - 12)) == eni_ids
    for filters, values in ((51, 0), (1, 200 - 11)):
        assert code_of(read, filters=filters, values=values) == "FilterLimitExceeded"


def test_pages_have_neither_gaps_nor_overlaps(client, eni_ids):
    first = client.describe_network_interfaces(MaxResults=5)
    second = client.describe_network_interfaces(MaxResults=5, NextToken=first["NextToken"])
    third = client.describe_network_interfaces(MaxResults=5, NextToken=second["NextToken"])
    assert [len(ids(page)) for page in (first, second, third)] == [5, 5, 2]
    assert ids(first) + ids(second) + ids(third) == eni_ids
    assert "NextToken" not in third


def test_a_page_that_ends_with_the_last_item_has_no_token(client, eni_ids):
    assert "NextToken" not in client.describe_network_interfaces(MaxResults=len(eni_ids))


def test_an_item_deleted_between_two_pages_hides_no_other(client, model, eni_ids):
    first = client.describe_network_interfaces(MaxResults=5)
    for eni_id in (eni_ids[0], eni_ids[4], eni_ids[6]):
        model.delete_network_interface(eni_id, now_ns=0)
    rest = client.describe_network_interfaces(NextToken=first["NextToken"])
    assert ids(rest) == [eni_ids[5], *eni_ids[7:]]


@pytest.mark.parametrize(
    ("action", "into", "count"),
    [
        ("describe_network_interfaces", "NetworkInterfaces", 12),
        ("describe_subnets", "Subnets", 7),
        ("describe_instance_types", "InstanceTypes", len(instance_types())),
    ],
)
@pytest.mark.usefixtures("eni_ids")
def test_paginators_show_everything_once(client, model, action, into, count):
    for number in range(6):
        model.create_subnet(model.vpcs[0].vpc_id, f"10.0.{8 + number}.0/24")
    pages = list(client.get_paginator(action).paginate(PaginationConfig={"PageSize": 5 if count < 100 else 100}))
    found = [str(item) for page in pages for item in page[into]]
    assert len(found) == len(set(found)) == count
    assert len(pages) == -(-count // (5 if count < 100 else 100))


def test_reservations_are_paged_over_both_ip_versions(client, model, subnet_id):
    for number in range(12):
        model.create_subnet_cidr_reservation(subnet_id, f"10.0.1.{16 * number}/28", reservation_type="prefix")
    pages = [client.get_subnet_cidr_reservations(SubnetId=subnet_id, MaxResults=5)]  # botocore has no paginator for it
    while "NextToken" in pages[-1]:
        pages.append(client.get_subnet_cidr_reservations(SubnetId=subnet_id, MaxResults=5, NextToken=pages[-1]["NextToken"]))
    assert [len(page["SubnetIpv4CidrReservations"]) for page in pages] == [5, 5, 2]
    assert all(page["SubnetIpv6CidrReservations"] == [] for page in pages)


def test_instances_and_tags_are_paged(client, model, subnet_id):
    for number in range(7):
        instance_id = model.launch_instance("m5.large", subnet_id, now_ns=0, tags=[("n", str(number))]).instance_id
        model.create_tags([instance_id], [("m", "")], now_ns=0)
    pages = client.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5})
    assert [len(page["Reservations"]) for page in pages] == [5, 2]
    tags = client.get_paginator("describe_tags").paginate(PaginationConfig={"PageSize": 5})
    assert [len(page["Tags"]) for page in tags] == [5, 5, 4]


def test_a_page_size_together_with_ids_is_refused(client, eni_ids):
    assert code_of(client.describe_network_interfaces, NetworkInterfaceIds=eni_ids[:1], MaxResults=5) == "InvalidParameterCombination"


@pytest.mark.parametrize("size", [1_001, 2**31 - 1])
def test_a_page_too_large_is_refused(client, size):
    assert code_of(client.describe_network_interfaces, MaxResults=size) == "InvalidParameterValue"


@pytest.mark.parametrize("size", [-1, 0, 4])
def test_a_page_too_small_is_refused(client, size):
    assert code_of(client.describe_instances, MaxResults=size) == "InvalidParameterValue"


def test_a_page_has_100_instance_types_at_most(client):
    assert len(client.describe_instance_types(MaxResults=100)["InstanceTypes"]) == 100
    assert code_of(client.describe_instance_types, MaxResults=101) == "InvalidParameterValue"


@pytest.mark.parametrize("token", ["garbage", "é", "/w==", "a"])
def test_an_invalid_token_is_refused(client, token):
    assert code_of(client.describe_network_interfaces, NextToken=token) == "InvalidNextToken"


# --- waiters ---


def test_waiters_return_when_the_resource_exists(client, model, eni_ids, subnet_id):
    instance_id = model.launch_instance("m5.large", subnet_id, now_ns=0).instance_id
    client.get_waiter("network_interface_available").wait(NetworkInterfaceIds=eni_ids)
    client.get_waiter("instance_running").wait(InstanceIds=[instance_id])
    client.get_waiter("subnet_available").wait(SubnetIds=[subnet_id])
    client.get_waiter("vpc_available").wait(VpcIds=[model.vpcs[0].vpc_id])
    client.get_waiter("vpc_exists").wait(VpcIds=[model.vpcs[0].vpc_id])

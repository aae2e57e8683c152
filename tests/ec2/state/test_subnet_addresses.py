import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam._chance import AlwaysZero, Scatter
from vpcipam.address import Cidr, parse_address
from vpcipam.ec2.state.space import Ipv4Space
from vpcipam.ec2.state.subnet import AddressCounts, AddressSet, SubnetAddresses
from vpcipam.ec2.subnet_rules import reserved_addresses
from vpcipam.errors import AlreadyAllocated, NoFreeRun, PoolExhausted


def subnet(text="10.0.0.0/24", **kwargs):
    return SubnetAddresses(Cidr.parse(text), **kwargs)


def taken_addresses(addresses):
    return [each for each in range(addresses.cidr.first, addresses.cidr.last + 1) if addresses.ipv4.is_taken(each)]


def address(text):
    return parse_address(text, 4)


@pytest.mark.parametrize(
    ("cidr", "free_count", "free_prefix_count"),
    [
        ("10.0.0.0/28", 11, 0),
        ("10.0.0.16/28", 11, 0),
        ("10.0.0.0/27", 27, 0),
        ("10.0.0.64/26", 59, 2),
        ("10.0.0.0/24", 251, 14),
        ("10.0.2.0/23", 507, 30),
        ("10.0.0.0/16", 65_531, 4_094),
        ("255.255.0.0/16", 65_531, 4_094),
    ],
)
def test_five_addresses_and_the_first_and_last_slash_28_are_reserved(cidr, free_count, free_prefix_count):
    addresses = subnet(cidr)
    assert (addresses.free_count, addresses.free_prefix_count) == (free_count, free_prefix_count)
    whole = Cidr.parse(cidr)
    reserved = [*range(whole.first, whole.first + 4), whole.last]
    assert reserved == taken_addresses(addresses) == list(reserved_addresses(whole))


@pytest.mark.thorough
@pytest.mark.parametrize("cidr", ["10.0.0.0/28", "10.0.0.0/27", "10.0.0.0/24", "10.0.0.0/16"])
@pytest.mark.parametrize("choice", ["lowest", "random"])
def test_every_free_address_can_be_allocated_and_no_more(cidr, choice):
    addresses = subnet(cidr, choice=choice)
    free_count = addresses.free_count
    taken = addresses.allocate(AddressCounts(addresses=free_count)).addresses
    assert len(set(taken)) == free_count
    assert not {*reserved_addresses(addresses.cidr)} & {*taken}
    assert all(each in addresses.cidr for each in taken)
    assert addresses.free_count == 0
    with pytest.raises(PoolExhausted, match="has 0 free addresses, 1 are wanted"):
        addresses.allocate(AddressCounts(addresses=1))
    addresses.release(AddressSet(taken))
    assert addresses.free_count == free_count


@pytest.mark.parametrize("choice", ["lowest", "random"])
def test_every_free_prefix_can_be_allocated_and_no_more(choice):
    addresses = subnet("10.0.0.0/24", choice=choice)
    prefixes = addresses.allocate(AddressCounts(prefixes=14)).prefixes
    assert sorted(prefixes) == [address(f"10.0.0.{16 * number}") for number in range(1, 15)]
    assert addresses.free_count == 251 - 14 * 16
    with pytest.raises(NoFreeRun, match="has 0 free aligned /28s, 1 are wanted"):
        addresses.allocate(AddressCounts(prefixes=1))
    addresses.release(AddressSet(prefixes=prefixes))
    assert (addresses.free_count, addresses.free_prefix_count) == (251, 14)


def test_lowest_choice_takes_the_lowest_address_and_prefix():
    addresses = subnet()
    assert addresses.allocate(AddressCounts(addresses=2, prefixes=2)) == AddressSet(
        (address("10.0.0.4"), address("10.0.0.5")), (address("10.0.0.16"), address("10.0.0.32"))
    )
    addresses.release(AddressSet((address("10.0.0.4"),), (address("10.0.0.16"),)))
    assert addresses.allocate(AddressCounts(addresses=1, prefixes=1)) == AddressSet((address("10.0.0.4"),), (address("10.0.0.16"),))


def test_random_choice_spreads_over_the_subnet_and_repeats_with_its_seed():
    def first_ten(seed):
        return subnet("10.0.0.0/16", choice="random", seed=seed).allocate(AddressCounts(addresses=10))

    assert first_ten(1) == first_ten(1)
    assert first_ten(1) != first_ten(2)
    blocks = {each >> 8 for each in first_ten(1).addresses}
    assert len(blocks) > 5


def test_lowest_choice_ignores_the_seed():
    assert subnet(seed=1).allocate(AddressCounts(addresses=3)) == subnet(seed=2).allocate(AddressCounts(addresses=3))


def test_one_address_in_each_prefix_leaves_many_addresses_and_no_prefix():
    addresses = subnet()
    addresses.claim(AddressSet(tuple(address(f"10.0.0.{16 * number + 7}") for number in range(1, 15))))
    assert (addresses.free_count, addresses.free_prefix_count) == (237, 0)
    with pytest.raises(NoFreeRun):
        addresses.allocate(AddressCounts(prefixes=1))
    addresses.release(AddressSet((address("10.0.0.23"),)))
    assert addresses.allocate(AddressCounts(prefixes=1)).prefixes == (address("10.0.0.16"),)


def test_an_address_in_the_last_free_prefix_is_released_when_the_call_is_refused():
    addresses = subnet("10.0.0.64/26")
    addresses.claim(
        AddressSet(
            tuple(each for each in range(address("10.0.0.64"), address("10.0.0.96")) if each not in reserved_addresses(addresses.cidr))
        )
    )
    assert (addresses.free_count, addresses.free_prefix_count) == (31, 1)
    before = taken_addresses(addresses)
    with pytest.raises(NoFreeRun, match="has 0 free aligned /28s"):
        addresses.allocate(AddressCounts(addresses=1, prefixes=1))
    assert taken_addresses(addresses) == before
    assert addresses.allocate(AddressCounts(prefixes=1)).prefixes == (address("10.0.0.96"),)


@pytest.mark.parametrize(
    "wanted", [AddressCounts(252), AddressCounts(prefixes=15), AddressCounts(4, prefixes=15), AddressCounts(ipv6_prefixes=1)]
)
@pytest.mark.parametrize("choice", ["lowest", "random"])
def test_a_refused_allocation_does_not_change_the_next_ones(wanted, choice):
    refused, untouched = (subnet(choice=choice, seed=3) for _ in range(2))
    with pytest.raises((PoolExhausted, NoFreeRun)):
        refused.allocate(wanted)
    assert taken_addresses(refused) == taken_addresses(untouched)
    assert refused.allocate(AddressCounts(addresses=5, prefixes=5)) == untouched.allocate(AddressCounts(addresses=5, prefixes=5))


@pytest.mark.parametrize(
    "wanted",
    [
        AddressSet((address("10.0.0.20"), address("10.0.0.3"))),
        AddressSet((address("10.0.0.20"), address("10.0.0.255"))),
        AddressSet((address("10.0.0.20"), address("10.0.0.20"))),
        AddressSet((address("10.0.0.20"), address("10.0.0.100"))),
        AddressSet((), (address("10.0.0.32"), address("10.0.0.0"))),
        AddressSet((), (address("10.0.0.32"), address("10.0.0.240"))),
        AddressSet((), (address("10.0.0.32"), address("10.0.0.32"))),
        AddressSet((), (address("10.0.0.32"), address("10.0.0.96"))),
        AddressSet((address("10.0.0.40"),), (address("10.0.0.32"),)),
    ],
    ids=[
        "reserved",
        "last",
        "address twice",
        "taken",
        "first prefix",
        "last prefix",
        "prefix twice",
        "broken prefix",
        "address of a prefix",
    ],
)
def test_a_claim_with_an_address_in_use_is_refused_and_claims_nothing(wanted):
    addresses = subnet()
    addresses.claim(AddressSet((address("10.0.0.100"),)))
    before = taken_addresses(addresses)
    with pytest.raises(AlreadyAllocated):
        addresses.claim(wanted)
    assert taken_addresses(addresses) == before


def test_a_subnet_without_ipv6_has_no_slash_80():
    addresses = subnet()
    with pytest.raises(NoFreeRun):
        addresses.allocate(AddressCounts(ipv6_prefixes=1))


def test_a_slash_64_has_all_slash_80s_except_the_first_and_the_last():
    whole = Cidr.parse("2001:db8::/64")
    addresses = subnet(ipv6_cidr=whole)
    assert addresses.ipv6.free_prefix_count == 2**16 - 2
    assert addresses.ipv6.kept_prefixes() == (whole.first, whole.last + 1 - 2**48)
    assert [cell for cell in range(2**16) if addresses.ipv6.is_prefix_taken(whole.first + cell * 2**48)] == [0, 2**16 - 1]
    with pytest.raises(NoFreeRun, match="has 65534 free /80s, 65535 are wanted"):
        addresses.allocate(AddressCounts(ipv6_prefixes=2**16 - 1))
    prefixes = addresses.allocate(AddressCounts(ipv6_prefixes=2**16 - 2)).ipv6_prefixes
    assert prefixes[0] == whole.first + 2**48
    assert prefixes[-1] == whole.last + 1 - 2 * 2**48
    assert addresses.ipv6.free_prefix_count == 0
    addresses.release(AddressSet(ipv6_prefixes=prefixes[:1]))
    assert addresses.allocate(AddressCounts(ipv6_prefixes=1)).ipv6_prefixes == prefixes[:1]


@given(seed=st.integers(), bound=st.integers(1, 2**20))
def test_scatter_stays_below_its_bound_and_repeats(seed, bound):
    one, other = Scatter(seed), Scatter(seed)
    draws = [one.below(bound) for _ in range(5)]
    assert all(0 <= draw < bound for draw in draws)
    other.draw_count = 3
    assert [other.below(bound), other.below(bound)] == draws[3:]


def test_scatter_reaches_every_value_about_equally_often():
    scatter = Scatter(0)
    counts = [0] * 16
    for _ in range(1600):
        counts[scatter.below(16)] += 1
    assert min(counts) > 60


@pytest.mark.parametrize("choice", ["lowest", "random"])
def test_a_full_subnet_has_no_prefix_in_a_reservation(choice):
    space = Ipv4Space(Cidr.parse("10.0.0.0/27"), Scatter(1) if choice == "random" else AlwaysZero())
    space.reserve({Cidr.parse("10.0.0.16/28"): True})
    assert space.free_prefix_count == 0
    with pytest.raises(NoFreeRun):
        space.take_prefix()


def test_a_claimed_address_outside_a_reservation_is_not_picked_again():
    addresses = subnet("10.0.0.0/28")
    addresses.reserve(Cidr.parse("10.0.0.8/29"), for_prefixes=False)
    addresses.claim(AddressSet((address("10.0.0.4"), address("10.0.0.9"))))
    assert addresses.allocate(AddressCounts(addresses=3)).addresses == tuple(address(f"10.0.0.{end}") for end in (5, 6, 7))
    addresses.release(AddressSet((address("10.0.0.4"), address("10.0.0.9"))))
    assert addresses.free_count == 1
    addresses.unreserve(Cidr.parse("10.0.0.8/29"))
    assert addresses.free_count == 11 - 3

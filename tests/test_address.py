"""CIDRs and addresses: what is read, what is refused, and that integers and texts mean the same."""

import ipaddress

import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam.address import AddressMode, Cidr, address_text, parse_address
from vpcipam.errors import InvalidAddress, InvalidArgument, InvalidCidr

NO_TEXTS = (
    None,
    5,
    0x0A000105,
    2**70,
    -1,
    True,
    1.5,
    b"10.0.0.5",
    b"\x0a\x00\x00\x05",
    ("10.0.0.0", 28),
    ["10.0.0.0/28"],
    ipaddress.ip_network("10.0.0.0/28"),
)
NO_ADDRESSES = (
    "",
    " ",
    "10.0.0",
    "10.0.0.5.6",
    "10.0.0.256",
    "10.0.0.-1",
    "010.0.0.5",
    "10.0.0.05",
    " 10.0.0.5",
    "10.0.0.5 ",
    "10.0.0.5\n",
    "10.0.0.\N{ARABIC-INDIC DIGIT FIVE}",  # a digit, but not an ASCII one
    "0x0a000005",
    "167772165",
    ":::",
    "2001:db8::g",
    "1:2:3:4:5:6:7:8:9",
    "localhost",
)


# --- modes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "prefix_length", "addresses_per_slot", "version"),
    [(AddressMode.SECONDARY_IP, 32, 1, 4), (AddressMode.PREFIX, 28, 16, 4), (AddressMode.IPV6, 80, 2**48, 6)],
)
def test_each_mode_has_the_size_of_its_slots(mode, prefix_length, addresses_per_slot, version):
    assert (mode.prefix_length, mode.addresses_per_slot, mode.version) == (prefix_length, addresses_per_slot, version)


def test_the_names_of_the_modes_are_those_of_the_command_line():
    assert [mode.value for mode in AddressMode] == ["secondary-ip", "prefix", "ipv6"]


# --- CIDRs: what is read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "version", "first", "size", "written"),
    [
        ("10.0.1.16/28", 4, 0x0A000110, 16, "10.0.1.16/28"),
        ("10.0.1.5/32", 4, 0x0A000105, 1, "10.0.1.5/32"),
        ("10.0.1.5", 4, 0x0A000105, 1, "10.0.1.5/32"),
        ("0.0.0.0/0", 4, 0, 2**32, "0.0.0.0/0"),
        ("255.255.255.255/32", 4, 2**32 - 1, 1, "255.255.255.255/32"),
        ("2001:db8::/80", 6, 0x20010DB8 << 96, 2**48, "2001:db8::/80"),
        ("2001:DB8:0:0:0::/80", 6, 0x20010DB8 << 96, 2**48, "2001:db8::/80"),
        ("::/0", 6, 0, 2**128, "::/0"),
        ("::1", 6, 1, 1, "::1/128"),
    ],
)
def test_a_cidr_is_read_and_written_in_canonical_form(text, version, first, size, written):
    cidr = Cidr.parse(text)
    assert (cidr.version, cidr.first, cidr.size, str(cidr)) == (version, first, size, written)
    assert cidr.last == first + size - 1
    assert Cidr.parse(str(cidr)) == cidr


def test_an_ipv4_mapped_address_is_an_ipv6_one():
    assert Cidr.parse("::ffff:10.0.0.5").version == 6
    assert Cidr.parse("::ffff:10.0.0.5") != Cidr.parse("10.0.0.5")


# --- CIDRs: what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [*NO_ADDRESSES, "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/28/28", "10.0.0.0/ 28", "::/129", "/28"]
)
def test_an_invalid_cidr_is_refused_and_quoted(text):
    with pytest.raises(InvalidCidr, match="is not a CIDR such as") as caught:
        Cidr.parse(text)
    assert repr(text) in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "around"),
    [
        ("10.0.0.3/28", "10.0.0.0/28"),
        ("10.0.0.15/28", "10.0.0.0/28"),
        ("10.0.0.17/28", "10.0.0.16/28"),
        ("2001:db8::1/80", "2001:db8::/80"),
    ],
)
def test_fault_12_a_cidr_off_its_grid_is_refused_and_the_one_around_it_named(text, around):
    with pytest.raises(InvalidCidr, match=f"lies off its grid.* is {around}$"):
        Cidr.parse(text)


def test_a_zone_is_refused_not_dropped():
    with pytest.raises(InvalidCidr, match="names a zone"):
        Cidr.parse("fe80::%eth0/80")
    with pytest.raises(InvalidAddress, match="names a zone"):
        parse_address("fe80::1%eth0", 6)


@pytest.mark.parametrize("wrong", NO_TEXTS, ids=repr)
def test_an_argument_that_is_no_text_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="must be a str"):
        Cidr.parse(wrong)
    with pytest.raises(TypeError, match="must be a str"):
        parse_address(wrong, 4)


def test_the_refusals_are_value_errors_of_the_library():
    assert issubclass(InvalidCidr, InvalidArgument)
    assert issubclass(InvalidAddress, ValueError)


# --- CIDRs: as sets of addresses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [28, 32])
def test_a_cidr_holds_its_addresses_from_the_first_to_the_last(length):
    cidr = Cidr.parse(f"10.0.0.16/{length}")
    around = range(cidr.first - 2, cidr.last + 3)
    assert [address for address in around if address in cidr] == list(range(cidr.first, cidr.first + cidr.size))


cidr_texts = st.one_of(
    st.builds(
        lambda first, length: f"{ipaddress.ip_network((first >> 32 - length << 32 - length, length))}",
        st.integers(0, 2**32 - 1),
        st.integers(20, 32),
    ),
    st.sampled_from(
        ["10.0.0.0/24", "10.0.0.0/28", "10.0.0.16/28", "10.0.0.15/32", "10.0.0.16/32", "::/80", "::/128", "2001:db8::/64", "0.0.0.0/0"]
    ),
)


@given(left=cidr_texts, right=cidr_texts)
def test_cidrs_overlap_and_are_ordered_as_those_of_ipaddress(left, right):
    mine, other = Cidr.parse(left), Cidr.parse(right)
    theirs, their_other = ipaddress.ip_network(left), ipaddress.ip_network(right)
    assert mine.overlaps(other) == other.overlaps(mine) == theirs.overlaps(their_other)
    assert str(mine) == str(theirs)
    assert mine.size == theirs.num_addresses
    if theirs.version == their_other.version:
        assert (mine < other) == (theirs < their_other)
    else:
        assert (mine < other) == (theirs.version < their_other.version)


def test_neighbours_and_equal_numbers_of_another_version_do_not_overlap():
    assert not Cidr.parse("10.0.0.0/28").overlaps(Cidr.parse("10.0.0.16/28"))
    assert not Cidr.parse("0.0.0.0/28").overlaps(Cidr.parse("::/80"))


def test_a_cidr_is_a_frozen_value():
    cidr = Cidr.parse("10.0.0.0/28")
    with pytest.raises(AttributeError):
        cidr.first = 1
    assert {cidr, Cidr.parse("10.0.0.0/28")} == {cidr}


# --- addresses -----------------------------------------------------------------------------------------------------------


def by_ipaddress(read, text):
    """What the standard library makes of a text; None where it refuses it."""
    try:
        return read(text)
    except ValueError:
        return None


def read_or_refused(read, text, refusal):
    """What the library under test makes of it; None where it refuses it, by its own error and no other."""
    try:
        return read(text)
    except refusal:
        return None


octets = st.one_of(
    st.integers(0, 255).map(str),
    st.sampled_from(["0", "9", "10", "99", "100", "199", "200", "249", "250", "255", "256", "260", "300", "00", "01", "010", "1000"]),
    st.sampled_from(
        ["", " 1", "1 ", "+1", "-1", "1_0", "0x1", "1\n", "\N{ARABIC-INDIC DIGIT FIVE}", "\N{SUPERSCRIPT TWO}", "\N{FULLWIDTH DIGIT ONE}"]
    ),
)
lengths = st.one_of(
    st.just(""),
    st.integers(0, 33).map("/{}".format),
    st.sampled_from(
        ["/", "/ 24", "/24 ", "/+24", "/024", "/00", "/99", "/-1", "/255.255.255.240", "/0.0.0.15", "/24\n", "/\N{ARABIC-INDIC DIGIT FIVE}"]
    ),
)
odd_texts = st.builds("{}{}".format, st.lists(octets, min_size=3, max_size=5).map(".".join), lengths)
plain_texts = st.builds("{}{}".format, st.lists(st.integers(0, 255).map(str), min_size=4, max_size=4).map(".".join), lengths)


@given(text=st.one_of(odd_texts, plain_texts))
def test_texts_like_ipv4_addresses_are_read_as_by_ipaddress(text):
    """Plain texts take a way of their own, in which nothing may pass that would be refused elsewhere, nor mean another address."""
    expected = by_ipaddress(lambda given: int(ipaddress.IPv4Address(given)), text)
    assert read_or_refused(lambda given: parse_address(given, 4), text, InvalidAddress) == expected


@given(text=st.one_of(odd_texts, plain_texts))
def test_texts_like_ipv4_cidrs_are_read_as_by_ipaddress(text):
    network = by_ipaddress(ipaddress.IPv4Network, text)  # strict: what lies off its grid is refused
    expected = None if network is None else Cidr(4, int(network[0]), network.prefixlen)
    assert read_or_refused(Cidr.parse, text, InvalidCidr) == expected


@given(first=st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 2**31, 2**32 - 1])), length=st.integers(0, 32))
def test_every_ipv4_cidr_survives_being_written_and_read_and_is_refused_off_its_grid(first, length):
    size = 2 ** (32 - length)
    cidr = Cidr(4, first // size * size, length)
    assert str(cidr) == str(ipaddress.IPv4Network((cidr.first, length)))
    assert Cidr.parse(str(cidr)) == cidr
    if first != cidr.first:
        with pytest.raises(InvalidCidr, match="lies off its grid"):
            Cidr.parse(f"{ipaddress.IPv4Address(first)}/{length}")


@given(st.integers(0, 2**32 - 1))
def test_every_ipv4_address_is_written_as_by_ipaddress(address):
    text = address_text(address, 4)
    assert text == str(ipaddress.IPv4Address(address))
    assert parse_address(text, 4) == address


@pytest.mark.parametrize(("address", "version"), [(-1, 4), (2**32, 4), (2**70, 4), (-1, 6), (2**128, 6)])
def test_an_integer_that_is_no_address_is_never_written_as_one(address, version):
    with pytest.raises(ValueError, match="is not permitted as an IPv"):
        address_text(address, version)


@pytest.mark.parametrize(("version", "last"), [(4, 2**32 - 1), (6, 2**128 - 1)])
def test_an_address_survives_being_written_and_read(version, last):
    for address in (0, 1, 15, 16, 17, 2**31, last - 1, last):
        assert parse_address(address_text(address, version), version) == address


@given(st.integers(0, 2**128 - 1))
def test_every_ipv6_address_survives_being_written_and_read(address):
    assert parse_address(address_text(address, 6), 6) == address


@pytest.mark.parametrize("text", [*NO_ADDRESSES, "10.0.0.5/32", "10.0.0.0/28"])
@pytest.mark.parametrize("version", [4, 6])
def test_an_invalid_address_is_refused_and_quoted(text, version):
    with pytest.raises(InvalidAddress, match="is not an IP address") as caught:
        parse_address(text, version)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "version", "wanted"), [("10.0.0.5", 4, 6), ("2001:db8::", 6, 4), ("::ffff:10.0.0.5", 6, 4), ("::10.0.0.5", 6, 4)]
)
def test_an_address_of_the_other_version_is_refused(text, version, wanted):
    with pytest.raises(InvalidAddress, match=f"is an IPv{version} address, but IPv{wanted} is wanted"):
        parse_address(text, wanted)

"""The space of a subnet, both IP versions, and a naive one of plain sets, while reservations come and go among assignments.

The IPv6 network is a /76, so that its sixteen /80s are soon full; the space is the same for a /64.
"""

import ipaddress

import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam.address import Cidr
from vpcipam.ec2.state.subnet import AddressCounts, AddressSet, SubnetAddresses
from vpcipam.errors import AlreadyAllocated, NoFreeRun, PoolExhausted
from vpcipam.testing.strategies import cidrs

IPV4, IPV6 = ipaddress.ip_network("10.0.0.64/26"), ipaddress.ip_network("2001:db8::/76")


class NaiveSpace:
    """One IP version: the taken singles and prefixes, and the reservations, as EC2's pages describe them."""

    def __init__(self, network, prefix_length):
        self.first, self.last = int(network[0]), int(network[-1])
        self.size = 2 ** (network.max_prefixlen - prefix_length)
        self.blocks = range(self.first, self.last + 1, self.size)
        self.singles = {*range(self.first, self.first + 4), self.last}  # those that EC2 keeps are taken from the start
        self.prefixes, self.reserved = set(), []

    def is_free(self, address):
        return address not in self.singles and address - (address - self.first) % self.size not in self.prefixes

    def is_free_block(self, block):
        return block not in self.prefixes and not any(block <= each < block + self.size for each in self.singles)

    def is_reserved(self, first, last):
        return any(begin <= last and first <= end for begin, end, _ in self.reserved)

    def single_choices(self):
        """The lowest address that can be picked: just after something that can't."""
        ends = [
            self.first - 1,
            *self.singles,
            *(each + self.size - 1 for each in self.prefixes),
            *(end for _, end, _ in self.reserved),
        ]
        starts = {end + 1 for end in ends if self.first <= end + 1 <= self.last}
        return sorted(each for each in starts if self.is_free(each) and not self.is_reserved(each, each))

    def prefix_choices(self):
        """The prefixes that can be picked from each range that EC2 looks at in turn: reservations for prefixes, then the rest."""
        free = [block for block in self.blocks if self.is_free_block(block)]
        for begin, end, for_prefixes in sorted(self.reserved):
            if for_prefixes:
                yield [block for block in free if begin <= block and block + self.size - 1 <= end]
        yield [block for block in free if not self.is_reserved(block, block + self.size - 1)]

    def next_prefixes(self, choice):
        """Those that can be next: the lowest of the first range with any, or any of a reservation, or else any."""
        *preferred, others = self.prefix_choices()
        if choice == "lowest":
            return next((blocks[:1] for blocks in (*preferred, others) if blocks), [])
        return [block for blocks in preferred for block in blocks] or others

    def claim(self, singles, prefixes):
        for single in singles:
            if not self.is_free(single):
                raise AlreadyAllocated
            self.singles.add(single)
        for prefix in prefixes:
            if not self.is_free_block(prefix):
                raise AlreadyAllocated
            self.prefixes.add(prefix)

    def release(self, singles, prefixes):
        self.singles -= set(singles)
        self.prefixes -= set(prefixes)


class Pair:
    """A subnet and a naive one; and a twin that never sees a refused call, so that a refusal which left a trace parts them."""

    def __init__(self, choice):
        self.choice = choice
        self.subnet, self.twin = (SubnetAddresses(Cidr.parse(str(IPV4)), Cidr.parse(str(IPV6)), choice=choice, seed=3) for _ in range(2))
        self.spaces = (NaiveSpace(IPV4, 28), NaiveSpace(IPV6, 80))
        self.held = []

    def allocate(self, *counts):
        wanted = AddressCounts(*counts)
        try:
            got = self.subnet.allocate(wanted)
        except (PoolExhausted, NoFreeRun) as error:
            refusal = type(error)
        else:
            refusal = None
        if refusal is not None:
            # At random, the single addresses can break a prefix or not.
            assert self.choice == "random" or self.lacks(wanted) is refusal
            return
        assert got.counts == wanted
        assert self.twin.allocate(wanted) == got
        for space, singles, prefixes in self.split(got):
            for single in singles:
                assert space.is_free(single)
                assert not space.is_reserved(single, single)
                assert self.choice == "random" or single == space.single_choices()[0]
                space.claim([single], ())
            for prefix in prefixes:
                assert prefix in space.next_prefixes(self.choice)
                space.claim((), [prefix])
        self.held.append(got)

    def lacks(self, counts):
        """The error of an allocation that can't be made, found by trying; None if it can."""
        pairs = ((counts.addresses, counts.prefixes), (counts.ipv6_addresses, counts.ipv6_prefixes))
        for space, (singles, prefixes) in zip(self.spaces, pairs, strict=True):
            before = set(space.singles), set(space.prefixes)
            try:
                for _ in range(singles):
                    if not space.single_choices():
                        return PoolExhausted
                    space.claim(space.single_choices()[:1], ())
                for _ in range(prefixes):
                    if not space.next_prefixes("lowest"):
                        return NoFreeRun
                    space.claim((), space.next_prefixes("lowest"))
            finally:
                space.singles, space.prefixes = before
        return None

    def claim(self, *offsets):
        bases_and_sizes = ((IPV4, 1), (IPV4, 16), (IPV6, 1), (IPV6, 2**48))
        wanted = AddressSet(
            *(tuple(int(net[0]) + size * each for each in some) for (net, size), some in zip(bases_and_sizes, offsets, strict=True))
        )
        before = [(set(space.singles), set(space.prefixes)) for space in self.spaces]
        try:
            for space, singles, prefixes in self.split(wanted):
                space.claim(singles, prefixes)
        except AlreadyAllocated:
            for space, (singles, prefixes) in zip(self.spaces, before, strict=True):
                space.singles, space.prefixes = singles, prefixes
            with pytest.raises(AlreadyAllocated):
                self.subnet.claim(wanted)
        else:
            self.subnet.claim(wanted)
            self.twin.claim(wanted)
            self.held.append(wanted)

    def release(self, number):
        if self.held:
            gone = self.held.pop(number % len(self.held))
            self.subnet.release(gone)
            self.twin.release(gone)
            for space, singles, prefixes in self.split(gone):
                space.release(singles, prefixes)

    def reserve(self, text, for_prefixes):
        cidr = Cidr.parse(text)
        space = self.spaces[cidr.version == 6]
        if not space.is_reserved(cidr.first, cidr.last):
            self.subnet.reserve(cidr, for_prefixes=for_prefixes)
            self.twin.reserve(cidr, for_prefixes=for_prefixes)
            space.reserved.append((cidr.first, cidr.last, for_prefixes))

    def unreserve(self, number):
        known = [(space, entry) for space in self.spaces for entry in space.reserved]
        if known:
            space, entry = known[number % len(known)]
            space.reserved.remove(entry)
            gone = next(each for each in self.subnet.reservations if (each.first, each.last) == entry[:2])
            self.subnet.unreserve(gone)
            self.twin.unreserve(gone)

    def split(self, some):
        return (self.spaces[0], some.addresses, some.prefixes), (self.spaces[1], some.ipv6_addresses, some.ipv6_prefixes)

    def compare(self):
        naive4, naive6 = self.spaces
        every = range(naive4.first, naive4.last + 1)
        untaken = [each for each in every if naive4.is_free(each)]
        assert [each for each in every if not self.subnet.ipv4.is_taken(each)] == untaken
        assert self.subnet.free_count == sum(not naive4.is_reserved(each, each) for each in untaken)
        for space, naive in ((self.subnet.ipv4, naive4), (self.subnet.ipv6, naive6)):
            assert space.free_prefix_count == sum(map(naive.is_free_block, naive.blocks))
        for block in naive6.blocks:
            assert self.subnet.ipv6.is_prefix_taken(block) != naive6.is_free_block(block)
            for address in (block, block + 3, block + 4, block + naive6.size - 1):
                assert self.subnet.ipv6.is_taken(address) != naive6.is_free(address)


few = st.sampled_from([0, 0, 0, 1, 2, 3, 5, 14, 27])
ends6 = st.tuples(st.integers(0, 15), st.sampled_from([0, 3, 4, 5, 2**48 - 1])).map(lambda pair: pair[0] * 2**48 + pair[1])
cells = st.integers(0, 15).map(lambda cell: str(ipaddress.ip_network((int(IPV6[0]) + cell * 2**48, 80))))
reserved = st.one_of(
    cidrs(within=str(IPV4), shortest=26, longest=32),
    cidrs(within=str(IPV6), shortest=76, longest=81),
    cells.flatmap(lambda cell: cidrs(within=cell, shortest=80, longest=128)),
    cells.flatmap(lambda cell: cidrs(within=cell, shortest=80, longest=84)),
)
acts = st.one_of(
    st.tuples(st.just("allocate"), few, few, few, few),
    st.tuples(st.just("allocate"), *(st.sampled_from([0, 1]) for _ in range(4))),
    st.tuples(st.just("allocate"), st.just(0), st.just(0), st.sampled_from([0, 1, 2]), st.sampled_from([1, 2, 7])),
    st.tuples(
        st.just("claim"),
        st.lists(st.integers(0, 63), max_size=2),
        st.lists(st.integers(0, 3), max_size=1),
        st.lists(ends6, max_size=2),
        st.lists(st.integers(0, 15), max_size=2),
    ),
    st.tuples(st.just("release"), st.integers(0, 9)),
    st.tuples(st.just("reserve"), reserved, st.booleans()),
    st.tuples(st.just("reserve"), reserved, st.booleans()),
    st.tuples(st.just("unreserve"), st.integers(0, 9)),
)


@pytest.mark.parametrize("choice", ["lowest", "random"])
@given(program=st.lists(acts, min_size=5, max_size=25))
def test_what_is_picked_and_what_is_left_agree_with_plain_sets(choice, program):
    pair = Pair(choice)
    for name, *arguments in program:
        getattr(pair, name)(*arguments)
        pair.compare()

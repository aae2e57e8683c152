"""The model and a naive EC2 of plain sets with the same calls: same answers, same codes, same free counts."""

import ipaddress

import hypothesis.strategies as st
import naive_ec2
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from naive_space import count_space, count_strip

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.limits import InstanceLimits

TYPES = (
    InstanceLimits(instance_type="nitro.test", eni_limit=3, ipv4_per_eni=4, ipv6_per_eni=2),
    InstanceLimits(instance_type="xen.test", eni_limit=2, ipv4_per_eni=3, hypervisor="xen"),
    InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=6, network_cards=(2, 1)),
)
# The /27 has no /28 that can be a prefix, the /26 has two, the /25 six. The /28 is in another zone.
SUBNETS = (
    ("10.0.0.0/28", "us-east-1b", None),
    ("10.0.0.32/27", "us-east-1a", "2001:db8::/64"),
    ("10.0.0.64/26", "us-east-1a", None),
    ("10.0.0.128/25", "us-east-1a", "2001:db8:0:1::/64"),
)

UNKNOWN = 60
places = st.integers(0, UNKNOWN)  # the place of a thing among those that there are, round and round; the last is one that is not there
few = st.one_of(st.integers(2, 5), st.integers(2, 5), st.integers(-1, 4), st.sampled_from([11, 26, 27, 58, 59, 122, 123, 10**9, 2**70]))
zero = st.just(0)
CELLS = (0, 1, 2, 3, 0xFFFF)
# The number of a /80 in a /64, and of an address in it. The first four of the first and the last of the last are EC2's.
ipv6_places = st.tuples(st.sampled_from(CELLS), st.sampled_from([0, 3, 4, 5, 6, 2**48 - 1]))
RESERVED = (
    "10.0.0.0/28",
    "10.0.0.32/28",
    "10.0.0.64/27",
    "10.0.0.80/30",
    "10.0.0.96/28",
    "10.0.0.160/28",
    "10.0.0.164/30",
    "10.0.0.176/28",
    "10.0.0.192/26",
    "10.0.0.128/25",
    "10.0.0.7/32",
    "2001:db8:0:1::/80",
    "2001:db8:0:1:1::/80",
    "2001:db8:0:1:2::/79",
    "2001:db8:0:1:3::/96",
    "2001:db8:0:1:3:1::/96",
    "2001:db8:0:1::/65",
    "2001:db8:0:1::/64",
    "2001:db8:0:1::4/126",
)
some_tags = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy")), min_size=1, max_size=2).map(tuple)


class Agreement(RuleBasedStateMachine):
    """Drive both with the same calls."""

    @initialize()
    def set_up(self):
        self.ec2 = Ec2Model()
        self.naive = naive_ec2.NaiveEc2()
        vpc_id = self.ec2.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id
        for cidr, zone, ipv6_cidr in SUBNETS:
            subnet = self.ec2.create_subnet(vpc_id, cidr, availability_zone=zone, ipv6_cidr=ipv6_cidr)
            self.naive.add_subnet(subnet.subnet_id, vpc_id, zone, cidr, ipv6_cidr)
        self.call_count = 0
        self.populate()

    def populate(self):
        """Start with an ENI and an instance: programs are short, and most calls need them."""
        for subnet, kind in ((3, 0), (3, 1), (3, 2), (2, 0)):
            self.launch(subnet, kind)
        for subnet, counts in ((3, (0, 0)), (3, (2, 0)), (3, (0, 2)), (2, (5, 0)), (1, (0, 0)), (0, (4, 0))):
            self.create(subnet, counts, 0)

    def call(self, action, *args, **kwargs):
        """Call both, and compare their answers."""
        self.call_count += 1
        kwargs["now_ns"] = self.call_count
        try:
            answer = getattr(self.ec2, action)(*args, **kwargs)
        except Ec2Error as error:
            with pytest.raises(naive_ec2.Refused, match=f"^{error.code}$"):
                getattr(self.naive, action)(*args, **kwargs)
        else:
            assert getattr(self.naive, action)(*args, **kwargs) == answer

    # --- one of the things that there are, or an unknown one

    def subnet(self, place):
        return self.one([subnet.subnet_id for subnet in self.ec2.subnets], "subnet-0", place)

    def eni(self, place):
        return self.one([eni.eni_id for eni in self.enis()], "eni-0", place)

    def instance(self, place):
        return self.one([instance.instance_id for instance in self.ec2.instances], "i-0", place)

    def attachment(self, place):
        attached = sorted((eni.attachment for eni in self.enis() if eni.attachment), key=lambda attachment: attachment.device_index == 0)
        return self.one([attachment.attachment_id for attachment in attached], "eni-attach-0", place)

    def ipv6_near(self, place, cell, end):
        """An IPv6 address of the ENI's own subnet, where that has any."""
        shown = {subnet.subnet_id: subnet.ipv6_cidr for subnet in self.ec2.subnets}
        own = next((shown[eni.subnet_id] for eni in self.enis() if eni.eni_id == self.eni(place)), None)
        return str(ipaddress.ip_network(own or "2001:db8::/64")[cell * 2**48 + end])

    def enis(self):
        return self.ec2.describe_network_interfaces(now_ns=0)

    def one(self, known, unknown, place):
        return known[place % len(known)] if known and place != UNKNOWN else unknown

    def address_near(self, place, offset):
        """An address of the ENI's own subnet, more often than not."""
        cidr = next(
            (
                subnet.cidr
                for eni in self.enis()
                for subnet in self.ec2.subnets
                if (eni.eni_id, eni.subnet_id) == (self.eni(place), subnet.subnet_id)
            ),
            SUBNETS[0][0],
        )
        network = ipaddress.ip_network(cidr)
        return str(network.network_address + offset % (network.num_addresses + 1))

    # --- rules

    @rule(subnet=places, kind=places)
    def launch(self, subnet, kind):
        self.call("launch_instance", TYPES[kind % len(TYPES)], self.subnet(subnet))

    @rule(instance=places)
    def terminate(self, instance):
        self.call("terminate_instance", self.instance(instance))

    @rule(subnet=places, counts=st.one_of(st.tuples(few, zero), st.tuples(zero, few), st.tuples(few, few)), ipv6=st.one_of(zero, few))
    def create(self, subnet, counts, ipv6):
        self.call(
            "create_network_interface",
            subnet_id=self.subnet(subnet),
            secondary_ip_count=counts[0],
            ipv4_prefix_count=counts[1],
            ipv6_prefix_count=ipv6,
        )

    @rule(eni=places, instance=places, device_index=st.integers(-1, 4), card=st.integers(-1, 2))
    def attach_anywhere(self, eni, instance, device_index, card):
        self.call("attach_network_interface", self.eni(eni), self.instance(instance), device_index=device_index, network_card_index=card)

    @rule(eni=places, instance=places, device_index=st.integers(1, 2), card=st.sampled_from([0, 0, 0, 1]))
    def attach(self, eni, instance, device_index, card):
        detached = [each.eni_id for each in self.enis() if not each.attachment and each.availability_zone == "us-east-1a"]
        self.call(
            "attach_network_interface",
            self.one(detached, "eni-0", eni),
            self.instance(instance),
            device_index=device_index,
            network_card_index=card,
        )

    @rule(eni=places, attachment=st.one_of(st.none(), places), goes=st.booleans())
    def modify(self, eni, attachment, goes):
        eni_id = self.eni(eni)
        own = {each.eni_id: each.attachment.attachment_id for each in self.enis() if each.attachment}
        attachment_id = own.get(eni_id, "eni-attach-0") if attachment is None else self.attachment(attachment)
        self.call("modify_network_interface_attribute", eni_id, attachment_id=attachment_id, delete_on_termination=goes)

    @rule(attachment=places)
    def detach(self, attachment):
        self.call("detach_network_interface", self.attachment(attachment))

    @rule(eni=places)
    def delete(self, eni):
        self.call("delete_network_interface", self.eni(eni))

    @rule(eni=places, count=few, kind=st.sampled_from(["secondary_ip_count", "ipv4_prefix_count"]))
    def assign_by_count_where_limits_hold(self, eni, count, kind):
        attached = [each.eni_id for each in self.enis() if each.attachment]
        self.call("assign_private_ip_addresses", self.one(attached, "eni-0", eni), **{kind: count})

    @rule(eni=places, counts=st.one_of(st.tuples(few, zero), st.tuples(zero, few), st.tuples(few, few)))
    def assign_by_count(self, eni, counts):
        self.call("assign_private_ip_addresses", self.eni(eni), secondary_ip_count=counts[0], ipv4_prefix_count=counts[1])

    @rule(
        eni=places,
        ends=st.lists(st.integers(0, 127), min_size=1, max_size=3),
        count=st.one_of(zero, zero, few),
        moves=st.booleans(),
        of_others=st.booleans(),
    )
    def assign_named_addresses(self, eni, ends, count, moves, of_others):
        addresses = [self.address_near(eni, end) for end in ends]
        if of_others:
            held = [ip for each in self.enis() for ip in (*each.secondary_ips, each.private_ip)]
            addresses = sorted({held[end % len(held)] for end in ends}) if held else addresses
        self.call("assign_private_ip_addresses", self.eni(eni), addresses=addresses, secondary_ip_count=count, allow_reassignment=moves)

    @rule(eni=places, sixteenths=st.lists(st.integers(0, 15), max_size=2), addresses=st.sampled_from([(), ("10.0.0.70",)]))
    def assign_named_prefixes(self, eni, sixteenths, addresses):
        prefixes = [f"10.0.0.{16 * sixteenth}/28" for sixteenth in sixteenths]
        self.call("assign_private_ip_addresses", self.eni(eni), prefixes=prefixes, addresses=addresses)

    @rule(eni=places, wrong=st.sampled_from([None, None, "primary", "twice", "prefix"]), ips=st.integers(0, 4), prefixes=st.integers(0, 2))
    def unassign(self, eni, wrong, ips, prefixes):
        candidates = [each for each in self.enis() if each.secondary_ips or each.ipv4_prefixes] or self.enis()
        if candidates:
            shown = candidates[eni % len(candidates)]
            addresses = [*shown.secondary_ips[:ips], *([shown.private_ip] if wrong == "primary" else ())]
            named_prefixes = [*shown.ipv4_prefixes[:prefixes], *(["10.0.0.80/28"] if wrong == "prefix" else ())]
            if wrong == "twice":
                addresses, named_prefixes = addresses * 2, named_prefixes * 2
            self.call("unassign_private_ip_addresses", shown.eni_id, addresses=addresses, prefixes=named_prefixes)

    @rule(eni=places, end=st.integers(0, 255))
    def unassign_any(self, eni, end):
        self.call("unassign_private_ip_addresses", self.eni(eni), addresses=[f"10.0.0.{end}"])

    @rule(eni=places, count=st.one_of(st.integers(-1, 2), st.just(2**70)), addresses=st.one_of(zero, st.integers(-1, 3), st.just(10**9)))
    def assign_ipv6(self, eni, count, addresses):
        self.call("assign_ipv6_addresses", self.eni(eni), ipv6_prefix_count=count, ipv6_address_count=addresses)

    @rule(eni=places, which=st.lists(ipv6_places, max_size=2), prefixes=st.lists(st.sampled_from(CELLS), max_size=2))
    def assign_named_ipv6(self, eni, which, prefixes):
        addresses = [self.ipv6_near(eni, cell, end) for cell, end in which]
        cells = [f"{self.ipv6_near(eni, cell, 0)}/80" for cell in prefixes]
        self.call("assign_ipv6_addresses", self.eni(eni), addresses=addresses, prefixes=cells)

    @rule(eni=places, ips=st.integers(0, 3), prefixes=st.integers(0, 2), wrong=st.booleans())
    def unassign_ipv6(self, eni, ips, prefixes, wrong):
        candidates = [each for each in self.enis() if each.ipv6_addresses or each.ipv6_prefixes] or self.enis()
        if candidates:
            shown = candidates[eni % len(candidates)]
            addresses = [*shown.ipv6_addresses[:ips], *(["2001:db8::7"] if wrong else ())]
            self.call("unassign_ipv6_addresses", shown.eni_id, addresses=addresses, prefixes=shown.ipv6_prefixes[:prefixes])

    @rule(
        subnet=places,
        primary=st.one_of(st.none(), st.integers(0, 127)),
        ends=st.lists(st.integers(0, 127), max_size=2),
        sixteenths=st.lists(st.integers(0, 8), max_size=1),
        which=st.lists(ipv6_places, max_size=2),
        cells=st.lists(st.sampled_from(CELLS), max_size=1),
        counts=st.tuples(st.one_of(zero, zero, few), st.one_of(zero, zero, st.integers(0, 2), st.just(10**9))),
    )
    def create_named(self, subnet, primary, ends, sixteenths, which, cells, counts):  # noqa: PLR0917 - Hypothesis names them
        subnet_id = self.subnet(subnet)
        shown = next((each for each in self.ec2.subnets if each.subnet_id == subnet_id), self.ec2.subnets[0])
        network, ipv6 = ipaddress.ip_network(shown.cidr), ipaddress.ip_network(shown.ipv6_cidr or "2001:db8::/64")
        self.call(
            "create_network_interface",
            subnet_id=subnet_id,
            private_ip=None if primary is None else str(network[primary % network.num_addresses]),
            secondary_ips=[str(network[end % network.num_addresses]) for end in ends],
            ipv4_prefixes=[f"{network[16 * each % network.num_addresses]}/28" for each in sixteenths],
            ipv6_addresses=[str(ipv6[cell * 2**48 + end]) for cell, end in which],
            ipv6_prefixes=[f"{ipv6[cell * 2**48]}/80" for cell in cells],
            ipv4_prefix_count=counts[0],
            ipv6_address_count=counts[1],
        )

    # --- rules that bring together what chance seldom does

    def detached(self, place, cidr):
        """An unattached ENI in the subnet of a CIDR: only its subnet limits it."""
        subnet_id = next(subnet.subnet_id for subnet in self.ec2.subnets if subnet.cidr == cidr)
        return self.one([eni.eni_id for eni in self.enis() if eni.subnet_id == subnet_id and not eni.attachment], "eni-0", place)

    @rule(eni=places, other=places, which=st.integers(0, 3), free=st.booleans())
    def move(self, eni, other, which, free):
        holders = [each for each in self.enis() if each.secondary_ips and each.subnet_id == self.ec2.subnets[3].subnet_id]
        if holders:
            held = holders[other % len(holders)].secondary_ips
            addresses = [held[which % len(held)], *(["10.0.0.250"] if free else ())]
            eni_id = self.detached(eni, SUBNETS[3][0])
            self.call("assign_private_ip_addresses", eni_id, addresses=addresses, allow_reassignment=True)

    @rule(eni=places, count=st.integers(1, 3), kind=st.sampled_from(["prefix", "explicit"]), cidr=st.sampled_from(RESERVED[5:10]))
    def reserve_and_pick(self, eni, count, kind, cidr):
        self.call("create_subnet_cidr_reservation", self.ec2.subnets[3].subnet_id, cidr, reservation_type=kind)
        eni_id = self.detached(eni, SUBNETS[3][0])
        self.call("assign_private_ip_addresses", eni_id, ipv4_prefix_count=count)
        self.call("assign_private_ip_addresses", eni_id, secondary_ip_count=count)

    @rule(eni=places, count=st.integers(1, 2), kind=st.sampled_from(["prefix", "explicit"]), cidr=st.sampled_from(RESERVED[11:]))
    def reserve_and_pick_ipv6(self, eni, count, kind, cidr):
        self.call("create_subnet_cidr_reservation", self.ec2.subnets[3].subnet_id, cidr, reservation_type=kind)
        eni_id = self.detached(eni, SUBNETS[3][0])
        self.call("assign_ipv6_addresses", eni_id, ipv6_prefix_count=count)
        self.call("assign_ipv6_addresses", eni_id, ipv6_address_count=count)

    # --- rules: reservations and tags

    @rule(subnet=places, cidr=st.sampled_from(RESERVED), kind=st.sampled_from(["prefix", "explicit"]))
    def reserve(self, subnet, cidr, kind):
        owner = (
            [each.subnet_id for each in self.ec2.subnets if ipaddress.ip_network(cidr).subnet_of(ipaddress.ip_network(each.cidr))]
            if ("." in cidr)
            else [self.ec2.subnets[3].subnet_id]
        )
        subnet_id = owner[0] if owner and subnet % 4 else self.subnet(subnet)
        self.call("create_subnet_cidr_reservation", subnet_id, cidr, reservation_type=kind)

    @rule(place=places)
    def unreserve(self, place):
        known = [
            each.reservation_id for subnet in self.ec2.subnets for each in self.ec2.get_subnet_cidr_reservations(subnet.subnet_id, now_ns=0)
        ]
        self.call("delete_subnet_cidr_reservation", self.one(known, "scr-0", place))

    @rule(eni=places, instance=places, wrong=st.sampled_from([(), (), ("eni-0",), ("rtb-1",)]), tags=some_tags)
    def tag(self, eni, instance, wrong, tags):
        self.call("create_tags", (self.eni(eni), self.instance(instance), *wrong), tags)

    @rule(eni=places, subnet=places, tags=st.one_of(st.just(()), some_tags, st.just((("a", None),))))
    def untag(self, eni, subnet, tags):
        self.call("delete_tags", (self.eni(eni), self.subnet(subnet)), tags)

    @rule(eni=places, text=st.sampled_from(["", "x"]))
    def describe_it(self, eni, text):
        self.call("modify_network_interface_attribute", self.eni(eni), description=text)

    @rule(instance=places)
    def describe_an_instance(self, instance):
        self.call("describe_instance", self.instance(instance))

    @invariant()
    def what_is_left_is_what_a_count_says(self):
        for subnet in self.ec2.subnets:
            assert self.ec2.subnet_space(subnet.subnet_id) == count_space(self.ec2, subnet.subnet_id)
            assert self.ec2.subnet_strip(subnet.subnet_id) == count_strip(self.ec2, subnet.subnet_id)

    @invariant()
    def what_is_available_is_found_among_all(self):
        available = tuple(eni for eni in self.enis() if eni.status == "available")
        assert self.ec2.describe_network_interfaces(filters={"status": ("available",)}, now_ns=0) == available

    @invariant()
    def both_show_the_same(self):
        self.compare()
        self.ec2._check()

    def compare(self):
        assert self.ec2.describe_network_interfaces(now_ns=0) == self.naive.describe_network_interfaces(now_ns=0)
        assert self.ec2.subnets == self.naive.describe_subnets(now_ns=0)
        shown = {instance.instance_id: instance for instance in self.ec2.instances}
        assert shown == {instance_id: self.naive.describe_instance(instance_id, now_ns=0) for instance_id in self.naive.instances}


class RandomChoice(Agreement):
    """The same programs with random addresses, which can't be predicted; that they were free is an invariant of the model."""

    @initialize()
    def set_up(self):
        self.ec2 = Ec2Model(address_choice="random", seed=1)
        self.twin = Ec2Model(address_choice="random", seed=1)
        for ec2 in (self.ec2, self.twin):
            vpc_id = ec2.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id
            for cidr, zone, ipv6_cidr in SUBNETS:
                ec2.create_subnet(vpc_id, cidr, availability_zone=zone, ipv6_cidr=ipv6_cidr)
        self.call_count = 0
        self.populate()

    def call(self, action, *args, **kwargs):
        self.call_count += 1
        kwargs["now_ns"] = self.call_count
        before = (self.ec2.subnets, self.enis(), self.ec2.instances)
        try:
            answer = getattr(self.ec2, action)(*args, **kwargs)
        except Ec2Error:
            # The twin never sees a refused call. Were a refusal to move the random sequence, they would part.
            assert (self.ec2.subnets, self.enis(), self.ec2.instances) == before
        else:
            assert getattr(self.twin, action)(*args, **kwargs) == answer

    def compare(self):
        assert self.enis() == self.twin.describe_network_interfaces(now_ns=0)
        assert self.ec2.subnets == self.twin.subnets


@pytest.mark.thorough
@pytest.mark.parametrize("machine", [Agreement, RandomChoice])
def test_model_agrees_with_a_naive_ec2(machine):
    # Sets of 65,534 /80s are copied all the time, so a program takes ten times as long as those of other machines.
    run_state_machine_as_test(machine, settings=settings(max_examples=max(20, settings().max_examples // 10)))

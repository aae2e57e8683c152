"""Tags of every kind of resource, in every Describe and in every filter, against a dict of each resource."""

import fnmatch
import inspect

import hypothesis.strategies as st
from changes import NITRO
from hypothesis import given

from vpcipam.ec2.api import TagDescription
from vpcipam.ec2.model import Ec2Model

keys, values = st.sampled_from(["a", "b", "team*", "aB"]), st.sampled_from(["", "x", "xy", "x*", "X"])
tag_lists = st.lists(st.tuples(keys, values), max_size=3, unique_by=lambda tag: tag[0])
patterns = st.sampled_from(["*", "", "x", "x?", "x*", "?", "X", "[x]", "nobody", "a", "t*"])


def literal(pattern):
    """EC2 knows only the wildcards * and ?; a bracket is itself."""
    return pattern.replace("[", "[[]")


def fits(value, wanted):
    return any(fnmatch.fnmatchcase(value, literal(pattern)) for pattern in wanted)


class Tagged:
    """One resource of each kind, created with tags, and a dict of its tags."""

    def __init__(self, given_tags):
        ec2 = self.ec2 = Ec2Model()
        vpc = ec2.create_vpc("10.0.0.0/16", tags=given_tags[0])
        subnet = ec2.create_subnet(vpc.vpc_id, "10.0.1.0/24", tags=given_tags[1])
        reservation = ec2.create_subnet_cidr_reservation(subnet.subnet_id, "10.0.1.64/28", reservation_type="prefix", tags=given_tags[2])
        instance = ec2.launch_instance(NITRO, subnet.subnet_id, tags=given_tags[3], now_ns=0)
        eni = ec2.create_network_interface(subnet_id=subnet.subnet_id, tags=given_tags[4], now_ns=0)
        group = ec2.create_security_group("nodes", "of nodes", vpc_id=vpc.vpc_id, now_ns=0)
        trunk = ec2.create_network_interface(subnet_id=subnet.subnet_id, interface_type="trunk", now_ns=0)
        association = ec2.associate_trunk_interface(eni.eni_id, trunk.eni_id, vlan_id=1, now_ns=0)
        elastic_ip = ec2.allocate_address()
        template = ec2.create_launch_template("nodes", {"InstanceType": "m5.large"})
        self.kinds = {
            vpc.vpc_id: "vpc",
            subnet.subnet_id: "subnet",
            reservation.reservation_id: "subnet-cidr-reservation",
            instance.instance_id: "instance",
            eni.eni_id: "network-interface",
            group.group_id: "security-group",
            association.association_id: "trunk-interface-association",
            elastic_ip.allocation_id: "elastic-ip",
            template.template_id: "launch-template",
        }
        made = (vpc, subnet, reservation, instance, eni, group, association, elastic_ip, template)
        self.tags = {name: dict(tags) for name, tags in zip(self.kinds, (*given_tags[:5], *[()] * 4), strict=True)}
        for resource, tags in zip(made, self.tags.values(), strict=True):
            assert resource.tags == tuple(sorted(tags.items()))
        (primary,) = instance.network_interfaces
        self.tags |= {trunk.eni_id: {}, primary.eni_id: {}, ec2.security_groups[0].group_id: {}}
        self.kinds[ec2.security_groups[0].group_id] = "security-group"
        self.kinds |= dict.fromkeys((trunk.eni_id, primary.eni_id), "network-interface")
        self.describes = {
            "describe_security_groups": ("security-group", lambda each: each.group_id, {}),
            "describe_vpcs": ("vpc", lambda each: each.vpc_id, {}),
            "describe_subnets": ("subnet", lambda each: each.subnet_id, {}),
            "get_subnet_cidr_reservations": (
                "subnet-cidr-reservation",
                lambda each: each.reservation_id,
                {"subnet_id": subnet.subnet_id},
            ),
            "describe_instances": ("instance", lambda each: each.instance_id, {}),
            "describe_network_interfaces": ("network-interface", lambda each: each.eni_id, {}),
            "describe_addresses": ("elastic-ip", lambda each: each.allocation_id, {}),
            "describe_launch_templates": ("launch-template", lambda each: each.template_id, {}),
            "describe_trunk_interface_associations": ("trunk-interface-association", lambda each: each.association_id, {}),
        }

    def create(self, names, tags):
        self.ec2.create_tags(names, tags, now_ns=0)
        for name in names:
            self.tags[name].update(tags)

    def delete(self, names, tags):
        self.ec2.delete_tags(names, tags, now_ns=0)
        for name in names:
            gone = [key for key, value in self.tags[name].items() if not tags or {(key, value), (key, None)} & set(tags)]
            for key in gone:
                del self.tags[name][key]

    def of_kind(self, kind):
        return {name: self.tags[name] for name in sorted(self.kinds) if self.kinds[name] == kind}

    def expect(self, filters, accepts):
        """Every Describe shows the resources that a test accepts, with all their tags."""
        for method, (kind, name_of, needed) in self.describes.items():
            shown = getattr(self.ec2, method)(**needed, filters=filters, now_ns=0)
            wanted = {name: tags for name, tags in self.of_kind(kind).items() if accepts(tags)}
            assert {name_of(each): dict(each.tags) for each in shown} == wanted
            assert [name_of(each) for each in shown] == list(wanted)
            assert all(each.tags == tuple(sorted(each.tags)) for each in shown)

    def every_tag(self):
        ordered = sorted(self.tags, key=lambda name: (self.kinds[name], name))
        return [TagDescription(name, self.kinds[name], key, value) for name in ordered for key, value in sorted(self.tags[name].items())]


def test_every_describe_with_filters_is_here():
    found = {
        name
        for name, method in inspect.getmembers(Ec2Model, inspect.isfunction)
        if "filters" in inspect.signature(method).parameters and name[0] != "_"
    }
    untagged = {"describe_instance_types", "describe_instance_status", "describe_launch_template_versions"}
    assert found == {*Tagged([()] * 5).describes, "describe_tags", *untagged}


changes = st.lists(
    st.tuples(st.booleans(), st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True), tag_lists, st.booleans()), max_size=4
)


@given(st.lists(tag_lists, min_size=5, max_size=5), changes, keys, st.lists(patterns, min_size=1, max_size=2), patterns)
def test_tags_are_shown_and_found_as_in_a_dict(given_tags, program, key, wanted, key_pattern):
    world = Tagged(given_tags)
    names = list(world.tags)
    for is_creation, places, tags, whatever in program:
        chosen = [names[place] for place in places]
        if is_creation and tags:
            world.create(chosen, tags)
        elif not is_creation:
            world.delete(chosen, [(each, None if whatever else value) for each, value in tags])
    world.expect(None, lambda _: True)
    world.expect({f"tag:{key}": wanted}, lambda tags: key in tags and fits(tags[key], wanted))
    world.expect({"tag-key": [key_pattern]}, lambda tags: any(fits(each, [key_pattern]) for each in tags))
    world.expect({f"tag:{key}": wanted, "tag-key": ["b"]}, lambda tags: key in tags and fits(tags[key], wanted) and "b" in tags)
    everything = world.every_tag()
    assert list(world.ec2.describe_tags(now_ns=0)) == everything
    found = world.ec2.describe_tags(filters={f"tag:{key}": wanted}, now_ns=0)
    assert list(found) == [each for each in everything if each.key == key and fits(each.value, wanted)]
    readers = {"key": "key", "value": "value", "resource-id": "resource_id", "resource-type": "resource_type"}
    for name, field in readers.items():
        found = world.ec2.describe_tags(filters={name: [*wanted, "v*"]}, now_ns=0)
        assert list(found) == [each for each in everything if fits(getattr(each, field), [*wanted, "v*"])]

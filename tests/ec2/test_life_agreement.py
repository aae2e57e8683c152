"""Security groups, attributes, Elastic IPs, launch templates and the life of instances, in the model and in plain dicts."""

from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from vpcipam._units import NS_PER_S
from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.state.launching import LaunchInterface
from vpcipam.limits import InstanceLimits

TYPE = InstanceLimits(instance_type="nitro.test", eni_limit=3, ipv4_per_eni=4)
NAMES = ("a", "B", "b", "C", "default", "DEFAULT", "sg-a", "", "ä")
HOUR_NS = 3600 * NS_PER_S

places = st.integers(0, 9)  # the place of a thing among those that there are, round and round; the last is one that is not there
some = st.lists(places, max_size=3)


class Refused(Exception):
    """The code of a refusal."""


def require(holds, code):
    if not holds:
        raise Refused(code)


class NaiveAccount:
    """Groups, ENIs, instances and so on by id.

    A group is a pair of VPC and name, an instance a state and when it was terminated, an Elastic IP where it is (ENI and private address)
    or None, a template its name, the data of its versions and the default one.
    """

    def __init__(self):
        self.groups, self.enis, self.instances, self.elastic_ips, self.templates = {}, {}, {}, {}, {}

    def forget(self, now_ns):
        """Forget the instances that were terminated an hour ago."""
        self.instances = {key: each for key, each in self.instances.items() if each.until_ns is None or each.until_ns > now_ns}

    def alive(self):
        return {key: each for key, each in self.instances.items() if each.state != "terminated"}

    def groups_of_eni(self, vpc, ids, code="InvalidGroup.NotFound"):
        ids = sorted(set(ids)) or [next(key for key, (owner, name) in self.groups.items() if (owner, name) == (vpc, "default"))]
        require(set(ids) <= set(self.groups), "InvalidGroup.NotFound")
        require({self.groups[each][0] for each in ids} == {vpc}, code)
        require(len(ids) <= 5, "SecurityGroupsPerInterfaceLimitExceeded")
        return ids

    def create_group(self, vpc, name):
        require(name, "MissingParameter")
        require(name.isascii() and not name.startswith("sg-"), "InvalidParameterValue")
        require(name.lower() != "default", "InvalidGroup.Reserved")
        taken = {other.lower() for owner, other in self.groups.values() if owner == vpc}
        require(name.lower() not in taken, "InvalidGroup.Duplicate")

    def delete_group(self, group):
        require(group in self.groups, "InvalidGroup.NotFound")
        require(self.groups[group][1] != "default", "CannotDelete")
        require(not any(group in eni.groups for eni in self.enis.values()), "DependencyViolation")
        del self.groups[group]

    def set_groups(self, eni_id, ids):
        require(ids, "InvalidParameterCombination")
        require(eni_id in self.enis, "InvalidNetworkInterfaceID.NotFound")
        self.enis[eni_id].groups = self.groups_of_eni(self.enis[eni_id].vpc, ids)

    def modify_instance(self, instance_id, ids, check):
        require((check is None) == bool(ids), "InvalidParameterCombination")
        require(instance_id in self.instances, "InvalidInstanceID.NotFound")
        require(instance_id in self.alive(), "IncorrectInstanceState")
        own = [eni for eni in self.enis.values() if eni.instance == instance_id]
        require(len(own) == 1, "InvalidInstanceID")
        own[0].groups = self.groups_of_eni(own[0].vpc, ids) if ids else own[0].groups
        own[0].check = own[0].check if check is None else check

    def give_public_ip(self, eni_id):
        """Give the primary ENI of an instance an automatic public address, if it was launched so, runs, is alone and has no Elastic IP."""
        eni = self.enis.get(eni_id)
        if eni and eni.instance and eni.index == 0:
            instance = self.instances[eni.instance]
            alone = [other.instance for other in self.enis.values()].count(eni.instance) == 1
            free = eni_id not in {where[0] for where in self.elastic_ips.values() if where}
            eni.public = eni.public or (instance.public and instance.state == "running" and alone and free)

    def change_states(self, ids, state, now_ns):
        require(ids, "InvalidParameterCombination")
        require(set(ids) <= set(self.instances), "InvalidInstanceID.NotFound")
        found = [self.instances[each] for each in dict.fromkeys(ids)]
        if state == "rebooted":
            require(all(each.state == "running" for each in found), "IncorrectState")
            return
        require(state == "terminated" or all(each.state != "terminated" for each in found), "IncorrectInstanceState")
        for each in found:
            each.until_ns = each.until_ns or (now_ns + HOUR_NS if state == "terminated" else None)
            starts, each.state = (each.state, state) == ("stopped", "running"), state
            for eni_id, eni in self.enis.items():
                eni.public = eni.public and not (eni.instance and self.instances[eni.instance] is each and state != "running")
                if starts and self.instances.get(eni.instance) is each:
                    self.give_public_ip(eni_id)
        for eni_id, eni in list(self.enis.items()):
            if eni.instance and self.instances[eni.instance].state == "terminated":
                eni.instance = None
                if eni.goes:
                    self.delete_eni(eni_id)

    def delete_eni(self, eni_id):
        del self.enis[eni_id]
        self.elastic_ips = {key: where if where and where[0] != eni_id else None for key, where in self.elastic_ips.items()}

    def associate(self, allocation, eni_id, instance_id, ip, again):
        require(allocation in self.elastic_ips, "InvalidAllocationID.NotFound")
        require(not (eni_id and instance_id), "InvalidParameterCombination")
        require(eni_id or instance_id, "MissingParameter")
        if instance_id:
            require(instance_id in self.alive(), "InvalidInstanceID.NotFound")
            eni_id, *others = [key for key, eni in self.enis.items() if eni.instance == instance_id]
            require(not others, "InvalidInstanceID")
        require(eni_id in self.enis, "InvalidNetworkInterfaceID.NotFound")
        ip = self.enis[eni_id].ips[0] if ip is None else ip
        require(ip in self.enis[eni_id].ips, "InvalidParameterValue")
        if self.elastic_ips[allocation] == (eni_id, ip):
            return
        require(
            again or (self.elastic_ips[allocation] is None and (eni_id, ip) not in self.elastic_ips.values()), "Resource.AlreadyAssociated"
        )
        self.elastic_ips = {key: None if where == (eni_id, ip) else where for key, where in self.elastic_ips.items()}
        before, self.elastic_ips[allocation] = self.elastic_ips[allocation], (eni_id, ip)
        self.enis[eni_id].public = self.enis[eni_id].public and ip != self.enis[eni_id].ips[0]
        self.give_public_ip(before and before[0])

    def release(self, allocation, default_vpc):
        require(allocation in self.elastic_ips, "InvalidAllocationID.NotFound")
        where = self.elastic_ips[allocation]
        require(where is None or self.enis[where[0]].vpc == default_vpc, "InvalidIPAddress.InUse")
        del self.elastic_ips[allocation]
        self.give_public_ip(where and where[0])

    def unassign(self, eni_id, ip):
        require(eni_id in self.enis, "InvalidNetworkInterfaceID.NotFound")
        require(ip in self.enis[eni_id].ips[1:], "InvalidParameterValue")
        self.enis[eni_id].ips.remove(ip)
        self.elastic_ips = {key: None if where == (eni_id, ip) else where for key, where in self.elastic_ips.items()}

    def move(self, eni_id, ip):
        require(eni_id in self.enis, "InvalidNetworkInterfaceID.NotFound")
        holder = next((key for key, eni in self.enis.items() if ip in eni.ips[1:]), None)
        require(holder and self.enis[holder].vpc == self.enis[eni_id].vpc, "InvalidParameterValue")
        if holder == eni_id:
            return
        require(not self.enis[eni_id].instance or len(self.enis[eni_id].ips) < TYPE.ipv4_per_eni, "PrivateIpAddressLimitExceeded")
        self.enis[holder].ips.remove(ip)
        self.enis[eni_id].ips.append(ip)
        self.elastic_ips = {key: (eni_id, ip) if where == (holder, ip) else where for key, where in self.elastic_ips.items()}

    def template(self, template_id, name):
        require(not (template_id and name), "InvalidParameterCombination")
        require(template_id or name, "MissingParameter")
        if template_id:
            require(template_id in self.templates, "InvalidLaunchTemplateId.NotFound")
            return self.templates[template_id]
        found = [each for each in self.templates.values() if each.name == name]
        require(found, "InvalidLaunchTemplateName.NotFoundException")
        return found[0]

    @staticmethod
    def version(template, version):
        versions = {"$Default": template.default, "$Latest": len(template.versions)}
        number = versions.get(version, int(version) if version.isdigit() else 0)
        require(1 <= number <= len(template.versions), "InvalidLaunchTemplateId.VersionNotFound")
        return number

    def create_template(self, name, data):
        require(data, "MissingParameter")
        require(len(name) > 2 and "?" not in name, "InvalidLaunchTemplateName.MalformedException")
        require(name not in {each.name for each in self.templates.values()}, "InvalidLaunchTemplateName.AlreadyExistsException")

    def create_version(self, where, source, data):
        require(data, "MissingParameter")
        template = self.template(*where)
        inherited = {} if source is None else template.versions[self.version(template, source) - 1]
        template.versions.append(inherited | data)

    def attach(self, eni_id, instance_id, index):
        require(eni_id in self.enis, "InvalidNetworkInterfaceID.NotFound")
        require(instance_id in self.alive(), "InvalidInstanceID.NotFound")
        eni = self.enis[eni_id]
        require(eni.instance is None, "InvalidNetworkInterface.InUse")
        require(index not in {other.index for other in self.enis.values() if other.instance == instance_id}, "InvalidParameterValue")
        eni.instance, eni.index = instance_id, index

    def detach(self, eni_id):
        require(eni_id in self.enis and self.enis[eni_id].instance, "InvalidAttachmentID.NotFound")
        require(self.enis[eni_id].index, "OperationNotPermitted")
        self.enis[eni_id].instance = None


class LifeAgreement(RuleBasedStateMachine):
    """Drive both with the same calls."""

    @initialize()
    def set_up(self):
        self.ec2, self.naive, self.now_ns = Ec2Model(), NaiveAccount(), 0
        self.vpcs = [self.ec2.create_vpc("10.0.0.0/16").vpc_id, self.ec2.create_default_vpc(availability_zones=()).vpc_id]
        cidrs = ("10.0.0.0/20", "172.31.0.0/20")
        self.subnets = [self.ec2.create_subnet(vpc, cidr).subnet_id for vpc, cidr in zip(self.vpcs, cidrs, strict=True)]
        self.naive.groups = {group.group_id: (group.vpc_id, "default") for group in self.ec2.security_groups}
        for name in "bcdefg":
            self.create_group(0, name)
        self.ec2.modify_subnet_attribute(self.subnets[1], map_public_ip_on_launch=True)
        self.launch(0, [2, 3], public=True)
        self.create_eni(0, [4])
        self.attach(1, 0, 1)
        self.create_eni(0, [])
        self.create_eni(1, [])
        for number in range(3):
            self.allocate()
            self.assign(number)
            self.associate(number, number, None, None, again=False)
        self.create_template("nodes", {"InstanceType": "m5.large"})

    def both(self, expected, call):
        """Call both, and return the model's answer, None for a refusal of both."""
        self.now_ns += 1
        self.naive.forget(self.now_ns)
        try:
            answer = call()
        except Ec2Error as error:
            with pytest.raises(Refused, match=f"^{error.code}$"):
                expected()
            return None
        expected()
        return answer

    def one(self, known, unknown, place):
        names = sorted(known)
        return names[place % len(names)] if names and place != 9 else unknown

    def group(self, place):
        return self.one(self.naive.groups, "sg-0", place)

    def eni(self, place):
        return self.one(self.naive.enis, "eni-0", place)

    def instance(self, place):
        return self.one(self.naive.instances, "i-0", place)

    def note(self, eni, **more):
        self.naive.enis[eni.eni_id] = SimpleNamespace(
            vpc=eni.vpc_id,
            ips=list(eni.single_ips),
            groups=list(eni.security_group_ids),
            check=True,
            **{"instance": None, "index": None, "goes": False, "public": False, **more},
        )

    @rule(vpc=st.integers(0, 1), name=st.sampled_from(NAMES))
    def create_group(self, vpc, name):
        vpc_id = self.vpcs[vpc]
        made = self.both(lambda: self.naive.create_group(vpc_id, name), lambda: self.ec2.create_security_group(name, "x", vpc_id=vpc_id))
        if made is not None:
            self.naive.groups[made.group_id] = (vpc_id, name)

    @rule(place=places)
    def delete_group(self, place):
        group = self.group(place)
        self.both(lambda: self.naive.delete_group(group), lambda: self.ec2.delete_security_group(group))

    @rule(subnet=st.sampled_from([0, 0, 0, 1]), groups=st.one_of(some, st.just([2, 3, 4, 5, 6, 7])))
    def create_eni(self, subnet, groups):
        ids = [self.group(place) for place in groups]
        expected = []
        made = self.both(
            lambda: expected.extend(self.naive.groups_of_eni(self.vpcs[subnet], ids)),
            lambda: self.ec2.create_network_interface(subnet_id=self.subnets[subnet], security_group_ids=ids, now_ns=self.now_ns),
        )
        if made is not None:
            assert list(made.security_group_ids) == expected
            self.note(made)

    @rule(place=places)
    def delete_eni(self, place):
        eni_id = self.eni(place)

        def expected():
            require(eni_id in self.naive.enis, "InvalidNetworkInterfaceID.NotFound")
            require(self.naive.enis[eni_id].instance is None, "InvalidParameterValue")
            self.naive.delete_eni(eni_id)

        self.both(expected, lambda: self.ec2.delete_network_interface(eni_id, now_ns=self.now_ns))

    @rule(place=places, groups=some)
    def set_groups(self, place, groups):
        eni_id, ids = self.eni(place), [self.group(each) for each in groups]
        self.both(
            lambda: self.naive.set_groups(eni_id, ids),
            lambda: self.ec2.modify_network_interface_attribute(eni_id, security_group_ids=ids, now_ns=self.now_ns),
        )

    @rule(place=places, groups=st.one_of(st.just([]), some), check=st.one_of(st.none(), st.booleans()))
    def modify_instance(self, place, groups, check):
        instance_id, ids = self.instance(place), [self.group(each) for each in groups]
        self.both(
            lambda: self.naive.modify_instance(instance_id, ids, check),
            lambda: self.ec2.modify_instance_attribute(instance_id, security_group_ids=ids, source_dest_check=check, now_ns=self.now_ns),
        )

    @rule(subnet=st.integers(0, 1), groups=some, public=st.one_of(st.none(), st.booleans()))
    def launch(self, subnet, groups, public):
        ids = [self.group(place) for place in groups]
        wanted = [LaunchInterface(subnet_id=self.subnets[subnet], security_group_ids=ids, associate_public_ip=public)]
        launched = self.both(
            lambda: self.naive.groups_of_eni(self.vpcs[subnet], ids, "InvalidParameter"),
            lambda: self.ec2.launch_instances(TYPE, wanted, max_count=1 + len(ids) % 2, now_ns=self.now_ns),
        )
        gets = subnet == 1 if public is None else public  # the second subnet maps public IPs
        for instance in launched or ():
            self.naive.instances[instance.instance_id] = SimpleNamespace(state="running", until_ns=None, public=gets)
            self.note(instance.network_interfaces[0], instance=instance.instance_id, index=0, goes=True, public=gets)

    @rule(which=some, state=st.sampled_from(["stopped", "running", "rebooted", "terminated"]))
    def change_states(self, which, state):
        ids = [self.instance(place) for place in which]
        method = {"stopped": "stop", "running": "start", "rebooted": "reboot", "terminated": "terminate"}[state]
        before = {key: each.state for key, each in self.naive.instances.items()}
        answer = self.both(
            lambda: self.naive.change_states(ids, state, self.now_ns),
            lambda: getattr(self.ec2, f"{method}_instances")(ids, now_ns=self.now_ns),
        )
        for change in answer or ():
            assert (change.previous, change.current) == (before[change.instance_id], state)

    @rule(place=st.integers(0, 2))
    def terminate(self, place):
        self.change_states([place], "terminated")

    @rule(place=places, instance=places, index=st.integers(1, 2))
    def attach(self, place, instance, index):
        loose = [key for key, eni in self.naive.enis.items() if eni.instance is None]
        eni_id, instance_id = self.one(loose if place % 2 else self.naive.enis, "eni-0", place), self.instance(instance)
        self.both(
            lambda: self.naive.attach(eni_id, instance_id, index),
            lambda: self.ec2.attach_network_interface(eni_id, instance_id, device_index=index, now_ns=self.now_ns),
        )

    @rule(place=places)
    def detach(self, place):
        eni_id = self.eni(place)
        shown = next((eni for eni in self.ec2.network_interfaces if eni.eni_id == eni_id), None)
        attachment_id = shown.attachment.attachment_id if shown and shown.attachment else "eni-attach-0"
        self.both(lambda: self.naive.detach(eni_id), lambda: self.ec2.detach_network_interface(attachment_id, now_ns=self.now_ns))

    @rule()
    def allocate(self):
        made = self.both(lambda: None, lambda: self.ec2.allocate_address(now_ns=self.now_ns))
        self.naive.elastic_ips[made.allocation_id] = None

    def allocation(self, place):
        return self.one(self.naive.elastic_ips, "eipalloc-0", place)

    @rule(
        place=places,
        eni=st.one_of(places, st.none()),
        instance=st.one_of(st.none(), places),
        ip=st.one_of(st.none(), places),
        again=st.booleans(),
    )
    def associate(self, place, eni, instance, ip, again):
        allocation = self.allocation(place)
        eni_id, instance_id = None if eni is None else self.eni(eni), None if instance is None else self.instance(instance)
        ips = self.naive.enis[eni_id].ips if eni_id in self.naive.enis else ["10.0.0.4"]
        private_ip = None if ip is None else self.one(ips, "10.0.15.9", ip)
        before = {each.allocation_id: each.association_id for each in self.ec2.elastic_ips}
        same = dict(self.naive.elastic_ips)
        answer = self.both(
            lambda: self.naive.associate(allocation, eni_id, instance_id, private_ip, again),
            lambda: self.ec2.associate_address(
                allocation, eni_id=eni_id, instance_id=instance_id, private_ip=private_ip, allow_reassociation=again, now_ns=self.now_ns
            ),
        )
        if answer is not None:
            assert (answer in before.values()) == (same == self.naive.elastic_ips)

    @rule(place=places)
    def disassociate(self, place):
        known = {each.association_id: each.allocation_id for each in self.ec2.elastic_ips if each.association_id}
        association = self.one(known, "eipassoc-0", place)

        def expected():
            require(association in known, "InvalidAssociationID.NotFound")
            where, self.naive.elastic_ips[known[association]] = self.naive.elastic_ips[known[association]], None
            self.naive.give_public_ip(where[0])

        self.both(expected, lambda: self.ec2.disassociate_address(association, now_ns=self.now_ns))

    @rule(place=places)
    def release(self, place):
        allocation = self.allocation(place)
        self.both(lambda: self.naive.release(allocation, self.vpcs[1]), lambda: self.ec2.release_address(allocation, now_ns=self.now_ns))

    @rule(place=places)
    def assign(self, place):
        eni_id, eni = self.eni(place), self.naive.enis.get(self.eni(place))

        def expected():
            require(eni, "InvalidNetworkInterfaceID.NotFound")
            require(not eni.instance or len(eni.ips) < TYPE.ipv4_per_eni, "PrivateIpAddressLimitExceeded")

        added = self.both(expected, lambda: self.ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=1, now_ns=self.now_ns))
        if added is not None:
            eni.ips += added.addresses

    def ip(self, place):
        """A secondary IP of some ENI, now and then a primary one."""
        return self.one([ip for eni in self.naive.enis.values() for ip in eni.ips[place % 4 > 0 :]], "10.0.15.9", place)

    @rule(place=places, ip=places)
    def unassign(self, place, ip):
        address = self.ip(ip)
        holder = next((key for key, eni in self.naive.enis.items() if address in eni.ips), "eni-0")
        eni_id = holder if place % 4 else self.eni(place)
        self.both(
            lambda: self.naive.unassign(eni_id, address),
            lambda: self.ec2.unassign_private_ip_addresses(eni_id, addresses=[address], now_ns=self.now_ns),
        )

    @rule(place=places, ip=places)
    def move(self, place, ip):
        eni_id, address = self.eni(place), self.ip(ip)
        if address != "10.0.15.9":
            self.both(
                lambda: self.naive.move(eni_id, address),
                lambda: self.ec2.assign_private_ip_addresses(eni_id, addresses=[address], allow_reassignment=True, now_ns=self.now_ns),
            )

    @rule(
        name=st.sampled_from(["nodes", "pods", "a", "a?b"]), data=st.sampled_from([{}, {"ImageId": "ami-1"}, {"InstanceType": "t3.small"}])
    )
    def create_template(self, name, data):
        made = self.both(lambda: self.naive.create_template(name, data), lambda: self.ec2.create_launch_template(name, data))
        if made is not None:
            self.naive.templates[made.template_id] = SimpleNamespace(name=name, versions=[dict(data)], default=1)

    def where(self, place, name):
        """The id or the name of a template, both, or neither."""
        template_id = self.one(self.naive.templates, "lt-0", place)
        known = self.naive.templates[template_id].name if template_id in self.naive.templates else "others"
        return {0: (template_id, None), 1: (None, known), 2: (template_id, known), 3: (None, None)}[name]

    @rule(
        place=places,
        name=st.integers(0, 3),
        source=st.sampled_from([None, "1", "$Latest", "$Default", "9"]),
        data=st.sampled_from([{}, {"ImageId": "b"}]),
    )
    def create_version(self, place, name, source, data):
        where = self.where(place, name)
        self.both(
            lambda: self.naive.create_version(where, source, data),
            lambda: self.ec2.create_launch_template_version(data, template_id=where[0], template_name=where[1], source_version=source),
        )

    @rule(place=places, name=st.integers(0, 3), version=st.sampled_from(["1", "2", "$Latest", "$Default", "x"]))
    def choose_version(self, place, name, version):
        where = self.where(place, name)

        def expected():
            template = self.naive.template(*where)
            template.default = self.naive.version(template, version)

        self.both(expected, lambda: self.ec2.modify_launch_template(version, template_id=where[0], template_name=where[1]))

    @rule(place=places, name=st.integers(0, 3))
    def delete_template(self, place, name):
        where = self.where(place, name)

        def expected():
            gone = self.naive.template(*where)
            self.naive.templates = {key: each for key, each in self.naive.templates.items() if each is not gone}

        self.both(expected, lambda: self.ec2.delete_launch_template(template_id=where[0], template_name=where[1]))

    @rule(almost=st.booleans())
    def let_time_pass(self, almost):
        self.now_ns += HOUR_NS - 10 * almost

    @invariant()
    def both_show_the_same(self):
        self.naive.forget(self.now_ns)
        shown = self.ec2.describe_instances(include_terminated=True, now_ns=self.now_ns)
        assert {each.instance_id: each.state for each in shown} == {key: each.state for key, each in self.naive.instances.items()}
        assert {each.group_id: (each.vpc_id, each.group_name) for each in self.ec2.security_groups} == self.naive.groups
        enis = {eni.eni_id: eni for eni in self.ec2.network_interfaces}
        assert enis.keys() == self.naive.enis.keys()
        for eni_id, eni in self.naive.enis.items():
            assert list(enis[eni_id].security_group_ids) == eni.groups
            assert list(enis[eni_id].security_group_names) == [self.naive.groups[group][1] for group in eni.groups]
            assert enis[eni_id].source_dest_check == eni.check
            attachment = enis[eni_id].attachment
            assert (attachment and attachment.instance_id) == eni.instance
            assert sorted(enis[eni_id].single_ips) == sorted(eni.ips)
            public = {each.private_ip: each.allocation_id for each in enis[eni_id].elastic_ips}
            expected = {eni.ips[0]: ""} if eni.public else {}
            expected |= {where[1]: key for key, where in self.naive.elastic_ips.items() if where and where[0] == eni_id}
            assert public == expected
        shown = {each.allocation_id: each for each in self.ec2.describe_addresses(now_ns=self.now_ns)}
        assert {key: (each.eni_id, each.private_ip) if each.eni_id else None for key, each in shown.items()} == self.naive.elastic_ips
        for each in shown.values():
            assert each.instance_id == ((each.eni_id and self.naive.enis[each.eni_id].instance) or "")
        for key, template in self.naive.templates.items():
            versions = self.ec2.describe_launch_template_versions(template_id=key, now_ns=self.now_ns)
            assert [each.data for each in versions] == template.versions
            assert [each.number for each in versions if each.is_default] == [template.default]
        assert {each.template_id: each.template_name for each in self.ec2.launch_templates} == {
            key: template.name for key, template in self.naive.templates.items()
        }
        self.ec2._check()


def test_groups_attributes_and_life_agree_with_plain_dicts():
    run_state_machine_as_test(LifeAgreement, settings=settings(stateful_step_count=40))

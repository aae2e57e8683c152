"""Worlds: all that is in an account, as a document of texts, numbers, lists and tables, which JSON and TOML can hold.

Written by hand, a world needs only CIDRs and types: what has no id gets the next one, in the order of the document. docs/serving.md has the
keys. A world is read by carrying out EC2's actions with the ids of the document, so that it obeys all rules of the model.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from vpcipam.address import parse_address
from vpcipam.ec2.actions.every import EveryAction
from vpcipam.ec2.errors import Ec2Error
from vpcipam.ec2.resources import LaunchSettings, MetadataOptions
from vpcipam.ec2.state.account import DEFAULT_GROUP, Account
from vpcipam.ec2.state.call import Call
from vpcipam.ec2.state.launching import LaunchInterface
from vpcipam.ec2.state.records import EniRecord, SubnetRecord
from vpcipam.ec2.subnet_rules import MAX_CIDR_QUOTA
from vpcipam.ec2.world_entries import FORMAT, ID, KINDS, REQUIRED, SUBNET_FLAGS, VPC_FLAGS, Entry, WorldError
from vpcipam.ec2.world_writing import write_world
from vpcipam.errors import InvalidArgument, UnknownInstanceType
from vpcipam.limits import InstanceLimits, instance_limits

__all__ = ["FORMAT", "KINDS", "WorldError", "read_world", "write_world"]

_HIGHEST_NEW_NUMBER = 1 << 40  # ids of the real EC2 are higher


def read_world(model: EveryAction, account: Account, document: Mapping[str, Any]) -> None:
    """Fill an empty model.

    Raises:
        WorldError: the document is no world.
    """
    _Reader(model, account, Entry("the world", dict(document))).read()


class _Reader:
    """Carries out the actions that make a world."""

    def __init__(self, model: EveryAction, account: Account, world: Entry) -> None:
        self._model = model
        self._account = account
        self._world = world
        self._primary: dict[str, Entry] = {}
        self._default_groups: dict[str | None, Entry] = {}
        self._flags: list[tuple[SubnetRecord, dict[str, bool]]] = []  # set last: they affect new ENIs

    def read(self) -> None:
        found = self._world.take("format", str, FORMAT)
        if found != FORMAT:
            raise WorldError(f"the format is {found!r}; this version reads {FORMAT!r}")
        numbers = self._world.take("last_numbers", dict, {})
        lists = {kind: list(self._entries(kind)) for kind in KINDS}
        self._world.finish()
        for kind, number in numbers.items():
            if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 60:
                raise WorldError(f"last_numbers: {kind} must be a whole number from 0, not {number!r}")
        self._reserve_ids(lists)
        self._find_primaries(lists["network_interfaces"])
        self._find_default_groups(lists["security_groups"])
        for kind, make in zip(
            KINDS,
            (
                *(self._vpc, self._group, self._subnet, self._reservation, self._instance, self._interface, self._trunk),
                *(self._elastic_ip, self._template),
            ),
            strict=True,
        ):
            for entry in lists[kind]:
                self._carry_out(entry, make)
        for subnet, flags in self._flags:
            for name, flag in flags.items():
                setattr(subnet, name, flag)
        self._account.sort()
        for kind, number in numbers.items():
            self._account.reserve_number(kind, number)

    def _entries(self, kind: str) -> Iterator[Entry]:
        for number, values in enumerate(self._world.take(kind, list, [])):
            if not isinstance(values, dict):
                raise WorldError(f"{kind}[{number}]: must be a table, not {values!r}")
            yield Entry(f"{kind}[{number}]", values)

    def _reserve_ids(self, lists: Mapping[str, list[Entry]]) -> None:
        """Let no new id be one that the document names later."""
        for entries in lists.values():
            for entry in entries:
                for name in (entry.take("id", str, None), *entry.take("association_ids", list, []), *_association_ids(entry)):
                    found = ID.fullmatch(name) if isinstance(name, str) else None
                    if found and int(found[1], 16) < _HIGHEST_NEW_NUMBER:
                        self._account.reserve_number(name.rpartition("-")[0], int(found[1], 16))

    def _find_primaries(self, entries: list[Entry]) -> None:
        """Find the ENIs that instances are launched with: those at index 0 of the lowest network card that has one."""
        for entry in entries:
            place = entry.table("attachment")
            if place is None or place.take("device_index", int) != 0:
                continue
            instance_id, card = place.take("instance", str), place.take("network_card_index", int, 0)
            other = self._primary.get(instance_id)
            if other is None or card < self._card_of(other):
                self._primary[instance_id] = entry

    def _find_default_groups(self, entries: list[Entry]) -> None:
        """Find the security groups that VPCs are created with, by VPC; None is the only VPC."""
        for entry in entries:
            if entry.take("name", str).lower() == DEFAULT_GROUP:
                vpc_id = entry.take("vpc", str, None)
                if vpc_id in self._default_groups:
                    raise WorldError(f"{entry.where}: its VPC has another security group that is named {DEFAULT_GROUP!r}")
                self._default_groups[vpc_id] = entry

    @staticmethod
    def _card_of(entry: Entry) -> int:
        place = entry.table("attachment")
        assert place is not None, "it is a primary ENI"  # noqa: S101 - for the type checker
        return int(place.take("network_card_index", int, 0))

    def _carry_out(self, entry: Entry, make: Any) -> None:  # noqa: ANN401 - one of the methods below
        try:
            make(entry)
        except Ec2Error as error:
            raise WorldError(f"{entry.where}: {error.code}: {error.message}") from None
        except (UnknownInstanceType, TypeError) as error:
            raise WorldError(f"{entry.where}: {error}") from None
        except InvalidArgument as error:
            raise error if isinstance(error, WorldError) else WorldError(f"{entry.where}: {error}") from None

    def _name(self, entry: Entry, kind: str, value: str | None) -> None:
        """Let the next id of a kind be this one."""
        if value is not None and not self._account.name_next(kind, value):
            raise WorldError(f"{entry.where}: {value} exists already")

    def _vpc(self, entry: Entry) -> None:
        cidrs = entry.texts("cidrs") or (entry.take("cidr", str),)
        associations = entry.texts("association_ids")
        if associations and len(associations) != len(cidrs):
            raise WorldError(f"{entry.where}: association_ids must have as many items as cidrs")
        vpc_id, ipv6_cidr, tags = entry.identifier("vpc"), entry.take("ipv6_cidr", str, None), entry.tags()
        ipv6_id, tenancy = entry.identifier("vpc-cidr-assoc", "ipv6_association_id"), entry.take("instance_tenancy", str, "default")
        flags = {name: entry.take(name, bool, default) for name, default in VPC_FLAGS.items()}
        entry.finish()
        self._name(entry, "vpc", vpc_id)
        group = self._default_groups.get(vpc_id) or self._default_groups.get(None)
        if group is not None:
            self._name(group, "sg", group.identifier("sg"))
        self._account.vpc_cidr_quota = max(self._account.vpc_cidr_quota, min(len(cidrs), MAX_CIDR_QUOTA))
        vpc = None
        for number, cidr in enumerate(cidrs):
            self._name(entry, "vpc-cidr-assoc", associations[number] if associations else None)
            if vpc is None:
                vpc = self._model.create_vpc(cidr, instance_tenancy=tenancy)
            else:
                self._model.associate_vpc_cidr_block(vpc.vpc_id, cidr)
        assert vpc is not None, "there is a CIDR"  # noqa: S101 - for the type checker
        record = self._account.vpcs[vpc.vpc_id]
        if ipv6_cidr is not None:
            self._name(entry, "vpc-cidr-assoc", ipv6_id)
            self._model.associate_vpc_ipv6_cidr_block(vpc.vpc_id, ipv6_cidr)
        self._account.set_tags(record, tags)
        for name, flag in flags.items():
            setattr(record, name, flag)

    def _vpc_of(self, entry: Entry) -> str:
        only = next(iter(self._account.vpcs), "") if len(self._account.vpcs) == 1 else REQUIRED
        return entry.take("vpc", str, only)  # type: ignore[no-any-return] # a text

    def _group(self, entry: Entry) -> None:
        group_id, vpc_id, name = entry.identifier("sg"), self._vpc_of(entry), entry.take("name", str)
        description, tags = entry.take("description", str, None), entry.tags()
        entry.finish()
        if entry in self._default_groups.values():
            if vpc_id not in self._account.vpcs:
                raise WorldError(f"{entry.where}: there is no VPC {vpc_id}")
            record = self._account.vpcs[vpc_id].default_group
            if group_id not in {None, record.group_id}:
                raise WorldError(f"{entry.where}: {vpc_id} has no id in this document, so its default security group can't have one")
            record.description = record.description if description is None else description
        else:
            self._name(entry, "sg", group_id)
            made = self._model.create_security_group(name, name if description is None else description, vpc_id=vpc_id)
            record = self._account.groups[made.group_id]
        self._account.set_tags(record, tags)

    def _subnet(self, entry: Entry) -> None:
        subnet_id, vpc_id = entry.identifier("subnet"), self._vpc_of(entry)
        cidr, ipv6_cidr = entry.take("cidr", str), entry.take("ipv6_cidr", str, None)
        zone, tags = entry.take("availability_zone", str, "us-east-1a"), entry.tags()
        ipv6_id = entry.identifier("subnet-cidr-assoc", "ipv6_association_id")
        flags = {name: entry.take(name, bool, False) for name in SUBNET_FLAGS}  # noqa: FBT003 - the default
        entry.finish()
        if not re.fullmatch("[a-z]+(-[a-z0-9]+)+[a-f]", zone):
            raise WorldError(f"{entry.where}: availability_zone must be like us-east-1a, not {zone!r}")
        self._name(entry, "subnet", subnet_id)
        made = self._model.create_subnet(vpc_id, cidr, availability_zone=zone)
        record = self._account.subnets[made.subnet_id]
        if ipv6_cidr is not None:
            self._name(entry, "subnet-cidr-assoc", ipv6_id)
            self._model.associate_subnet_cidr_block(made.subnet_id, ipv6_cidr)
        self._account.set_tags(record, tags)
        self._flags.append((record, flags))

    def _reservation(self, entry: Entry) -> None:
        reservation_id, subnet_id, cidr = entry.identifier("scr"), entry.take("subnet", str), entry.take("cidr", str)
        kind, description, tags = entry.take("type", str), entry.take("description", str, ""), entry.tags()
        entry.finish()
        self._name(entry, "scr", reservation_id)
        made = self._model.create_subnet_cidr_reservation(subnet_id, cidr, reservation_type=kind, description=description, now_ns=0)
        self._account.set_tags(self._account.reservations[made.reservation_id], tags)

    def _instance(self, entry: Entry) -> None:
        instance_id, subnet_id, tags = entry.identifier("i"), entry.take("subnet", str), entry.tags()
        launched_ns, state = entry.time_ns("launched_ns"), entry.take("state", str, "running")
        image_id, reservation_id = entry.take("image_id", str, ""), entry.take("reservation_id", str, None)
        launch_index = entry.take("launch_index", int, 0)
        public = entry.take("public_at_start", bool, False)  # noqa: FBT003 - the default
        fields = attrs.fields(LaunchSettings)
        settings = LaunchSettings(**{each.name: entry.take(each.name, type(each.default), each.default) for each in fields})
        changed_ns, options = entry.time_ns("state_changed_ns", launched_ns), self._metadata_options(entry)
        if state not in {"running", "stopped"}:
            raise WorldError(f"{entry.where}: state is {state!r}; it must be running or stopped")
        if (state, options.state) == ("running", "pending"):
            raise WorldError(f"{entry.where}: metadata_options are pending only while the instance is stopped")
        own = entry.table("type") if isinstance(entry.take("type", object), dict) else None
        limits = instance_limits(entry.take("type", str)) if own is None else _limits(own)
        entry.finish()
        primary = self._primary.get(instance_id) if instance_id is not None else None
        private_ip, kind = None, "interface"
        if primary is not None:
            self._name(primary, "eni", primary.identifier("eni"))
            place = primary.table("attachment")
            assert place is not None, "it is a primary ENI"  # noqa: S101 - for the type checker
            self._name(primary, "eni-attach", place.identifier("eni-attach"))
            private_ip, kind = primary.take("private_ip", str, None), primary.take("type", str, kind)
        self._name(entry, "i", instance_id)
        interface = LaunchInterface(subnet_id=subnet_id, private_ip=private_ip, interface_type=kind)
        (made,) = self._model.launch_instances(limits, (interface,), now_ns=launched_ns)
        record = self._account.instances[made.instance_id]
        record.state, record.image_id, record.launch_index, record.public_at_start = state, image_id, launch_index, public
        record.settings, record.state_changed_ns, record.metadata_options = settings, changed_ns, options
        record.reservation_id = record.reservation_id if reservation_id is None else reservation_id
        if options.instance_metadata_tags == "enabled":
            Call("CreateTags", 0).metadata_tags(tags)
        self._account.set_tags(record, tags)

    def _metadata_options(self, entry: Entry) -> MetadataOptions:
        """Take the metadata options of an instance; what they don't say is as the account's defaults have it."""
        given = entry.table("metadata_options")
        if given is None:
            return self._account.metadata_defaults
        default = attrs.asdict(self._account.metadata_defaults)
        values = {name: given.take(name, type(value), value) for name, value in default.items()}
        given.finish()
        return MetadataOptions(**values)

    def _interface(self, entry: Entry) -> None:
        eni_id, created_ns, place = entry.identifier("eni"), entry.time_ns("created_ns"), entry.table("attachment")
        subnet_id, kind, private_ip = entry.take("subnet", str), entry.take("type", str, "interface"), entry.take("private_ip", str, None)
        description, tags, groups = entry.take("description", str, ""), entry.tags(), entry.texts("security_groups")
        primary_ipv6, automatic_ip = entry.take("primary_ipv6", str, None), entry.take("automatic_ip", str, None)
        checked = entry.take("source_dest_check", bool, True)  # noqa: FBT003 - the default
        held = {name: entry.texts(name) for name in ("secondary_ips", "ipv4_prefixes", "ipv6_addresses", "ipv6_prefixes")}
        entry.finish()
        instance_id = None if place is None else place.take("instance", str)
        primary = instance_id is not None and self._primary.get(instance_id) is entry
        if primary:
            record = self._primary_of(entry, str(instance_id), subnet_id)
            if {eni_id, private_ip} - {None, record.eni_id, record.view().private_ip}:
                raise WorldError(f"{entry.where}: it is a primary ENI, so give {instance_id} this id among the instances")
            record.created_ns = created_ns
        else:
            self._name(entry, "eni", eni_id)
            made = self._model.create_network_interface(subnet_id=subnet_id, interface_type=kind, private_ip=private_ip, now_ns=created_ns)
            record = self._account.enis[made.eni_id]
        self._hold(record, held)
        if place is not None:
            self._attach(record, place, primary=primary)
        self._account.set_tags(record, tags)
        record.description = description
        record.source_dest_check = checked
        if primary_ipv6 is not None:
            record.primary_ipv6 = parse_address(primary_ipv6, 6)
            if record.primary_ipv6 not in record.ipv6_addresses:
                raise WorldError(f"{entry.where}: primary_ipv6 must be one of its ipv6_addresses, not {primary_ipv6!r}")
        record.touch()
        if automatic_ip is not None:
            self._give(entry, record, automatic_ip)
        if groups:
            self._model.modify_network_interface_attribute(record.eni_id, security_group_ids=groups, now_ns=0)

    def _give(self, entry: Entry, record: EniRecord, public_ip: str) -> None:
        """Give a primary ENI of a running instance its automatic public address."""
        address = parse_address(public_ip, 4)
        if not record.is_primary or record.instance is None or record.instance.state != "running":
            raise WorldError(f"{entry.where}: automatic_ip is for the primary ENI of a running instance")
        if address in self._account.automatic_ips:
            raise WorldError(f"{entry.where}: {public_ip} exists already")
        self._account.set_automatic_ip(record, address)

    def _primary_of(self, entry: Entry, instance_id: str, subnet_id: str) -> EniRecord:
        """Return the primary ENI that an instance was launched with."""
        instance = self._account.instances.get(instance_id)
        if instance is None:
            raise WorldError(f"{entry.where}: it is attached to {instance_id}, which is not among the instances")
        record = instance.devices[instance.primary_place]
        if record.subnet.subnet_id != subnet_id or self._card_of(entry) != instance.primary_place[0]:
            raise WorldError(f"{entry.where}: it is not like the primary ENI of {instance_id}: another subnet or network card")
        return record

    def _hold(self, record: EniRecord, held: Mapping[str, tuple[str, ...]]) -> None:
        for addresses, prefixes in ((held["secondary_ips"], ()), ((), held["ipv4_prefixes"])):
            if addresses or prefixes:
                self._model.assign_private_ip_addresses(record.eni_id, addresses=addresses, prefixes=prefixes, now_ns=0)
        for addresses, prefixes in ((held["ipv6_addresses"], ()), ((), held["ipv6_prefixes"])):
            if addresses or prefixes:
                self._model.assign_ipv6_addresses(record.eni_id, addresses=addresses, prefixes=prefixes, now_ns=0)

    def _attach(self, record: EniRecord, place: Entry, *, primary: bool) -> None:
        attachment_id, instance_id, index = place.identifier("eni-attach"), place.take("instance", str), place.take("device_index", int)
        card, delete = place.take("network_card_index", int, 0), place.take("delete_on_termination", bool, primary)
        attached_ns = place.time_ns("attached_ns")
        place.finish()
        if not primary:
            self._name(place, "eni-attach", attachment_id)
            self._model.attach_network_interface(record.eni_id, instance_id, device_index=index, network_card_index=card, now_ns=0)
        attachment = record.attachment
        assert attachment is not None, "it is attached now"  # noqa: S101 - for the type checker
        attachment = attrs.evolve(attachment, attached_ns=attached_ns)
        record.set_attachment(record.instance, attachment)
        self._model.modify_network_interface_attribute(
            record.eni_id, attachment_id=attachment.attachment_id, delete_on_termination=delete, now_ns=0
        )

    def _trunk(self, entry: Entry) -> None:
        association_id, trunk, branch = entry.identifier("trunk-assoc"), entry.take("trunk", str), entry.take("branch", str)
        vlan_id, gre_key, tags = entry.take("vlan_id", int, None), entry.take("gre_key", int, None), entry.tags()
        entry.finish()
        self._name(entry, "trunk-assoc", association_id)
        made = self._model.associate_trunk_interface(branch, trunk, vlan_id=vlan_id, gre_key=gre_key, now_ns=0)
        self._account.set_tags(self._account.trunk_associations[made.association_id], tags)

    def _elastic_ip(self, entry: Entry) -> None:
        allocation_id, public_ip, tags = entry.identifier("eipalloc"), entry.take("public_ip", str, None), entry.tags()
        eni_id, private_ip = entry.take("network_interface", str, None), entry.take("private_ip", str, None)
        association_id = entry.identifier("eipassoc", "association_id")
        entry.finish()
        self._name(entry, "eipalloc", allocation_id)
        record = self._account.elastic_ips[self._model.allocate_address().allocation_id]
        if public_ip is not None:
            address = parse_address(public_ip, 4)
            others = {each.public_ip for each in self._account.elastic_ips.values() if each is not record}
            if address in others | self._account.automatic_ips:
                raise WorldError(f"{entry.where}: {public_ip} exists already")
            record.public_ip = address
        self._account.set_tags(record, tags)
        if eni_id is None and (private_ip is not None or association_id is not None):
            raise WorldError(f"{entry.where}: network_interface is missing")
        if eni_id is not None:
            self._name(entry, "eipassoc", association_id)
            self._model.associate_address(record.allocation_id, eni_id=eni_id, private_ip=private_ip, allow_reassociation=False, now_ns=0)

    def _template(self, entry: Entry) -> None:
        template_id, name, created_ns = entry.identifier("lt"), entry.take("name", str), entry.time_ns("created_ns")
        default, tags, versions = entry.take("default_version", int, 1), entry.tags(), entry.take("versions", list)
        entry.finish()
        self._name(entry, "lt", template_id)
        made = None
        for number, values in enumerate(versions):
            if not isinstance(values, dict):
                raise WorldError(f"{entry.where}: versions must be a list of tables, not {versions!r}")
            version = Entry(f"{entry.where}.versions[{number}]", values)
            data, text = version.take("data", dict), version.take("description", str, "")
            at_ns = version.time_ns("created_ns", created_ns)
            version.finish()
            if made is None:
                made = self._model.create_launch_template(name, data, description=text, now_ns=at_ns)
            else:
                self._model.create_launch_template_version(data, template_id=made.template_id, description=text, now_ns=at_ns)
        if made is None:
            raise WorldError(f"{entry.where}: versions is empty")
        record = self._account.launch_templates[made.template_id]
        record.created_ns = created_ns
        self._model.modify_launch_template(str(default), template_id=made.template_id)
        self._account.set_tags(record, tags)


def _association_ids(entry: Entry) -> tuple[Any, ...]:
    """Return the ids of the associations of an entry that has them, without taking them: only some kinds have these keys."""
    return tuple(entry.take(name, str, None) for name in ("ipv6_association_id", "association_id") if name in entry)


def _limits(entry: Entry) -> InstanceLimits:
    """Read an instance type's limits, under the names of `InstanceLimits`."""
    values = {field.name: entry.take(field.name, object, None) for field in attrs.fields(InstanceLimits) if field.name in entry}
    entry.finish()
    if isinstance(values.get("network_cards"), list):
        values["network_cards"] = tuple(values["network_cards"])
    return InstanceLimits(**values)

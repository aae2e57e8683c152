"""The limits of one instance type as a checked value, and how to read them from EC2's answer."""

import re
from collections.abc import Mapping
from typing import Any

import attrs

from vpcipam._arguments import boolean_field, integer_field, require_integer
from vpcipam.errors import InvalidArgument
from vpcipam.limits.branch_enis import branch_eni_limit

_ARM = re.compile("a1|[a-z]+[0-9]+g[a-z]*|[a-z]+[0-9]+[a-z]*-gb[0-9]+")

MAX_CARDS = 128
MAX_ENIS = 128
MAX_ADDRESSES = 256
MAX_VCPUS = 1_000_000
"""The most cards of an instance, ENIs of a card, addresses of an ENI, and vCPUs. No type of EC2 comes near, and plans stay quick."""


def architecture_of(instance_type: str) -> str:
    """Return the processor's architecture of a type by EC2's name for it: `x86_64`, `arm64`, `x86_64_mac` or `arm64_mac`.

    It is read off the type's name, as EC2 names types ("Amazon EC2 instance type naming conventions"): a `g` behind the generation, as
    in `c7gn`, means AWS Graviton, and `-gb`, as in `p6e-gb200`, NVIDIA Grace. The first Graviton, `a1`, and Apple's processors have
    names of their own.
    """
    family = instance_type.partition(".")[0]
    if family.startswith("mac"):
        return "x86_64_mac" if family == "mac1" else "arm64_mac"
    return "arm64" if _ARM.fullmatch(family) else "x86_64"


def _where(instance: object, attribute: "attrs.Attribute[Any]") -> str:
    return f"{attribute.name} of instance type {getattr(instance, 'instance_type', None)!r}"


def _instance_type_name(_instance: object, _attribute: "attrs.Attribute[str]", value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"instance_type must be a str, not {type(value).__name__} ({value!r})")
    if not value or value.split() != [value] or value.startswith("#"):
        raise InvalidArgument(f"instance_type must be a name without blanks, such as 'm5.large', not {value!r}")


def _cards(instance: "InstanceLimits", attribute: "attrs.Attribute[tuple[int, ...]]", value: object) -> None:
    where = _where(instance, attribute)
    if type(value) is not tuple:
        raise TypeError(f"{where} must be a tuple of the ENIs of each card, not {type(value).__name__} ({value!r})")
    if not value:
        raise InvalidArgument(f"{where} is empty; every instance has a network card")
    require_integer(f"the number of cards in {where}", len(value), 1, MAX_CARDS)
    for index, maximum in enumerate(value):
        require_integer(f"card {index} in {where}", maximum, 1, MAX_ENIS)


def _default_card(instance: "InstanceLimits", attribute: "attrs.Attribute[int]", value: object) -> None:
    where = _where(instance, attribute)
    require_integer(where, value, 0)
    cards = instance.network_cards
    if instance.default_network_card >= len(cards):
        raise InvalidArgument(f"{where} is {value}, but there are only {len(cards)} cards (0 to {len(cards) - 1})")
    if cards[instance.default_network_card] != instance.eni_limit:
        raise InvalidArgument(
            f"eni_limit of instance type {instance.instance_type!r} is {instance.eni_limit}, but its default network card "
            f"({value}) takes {cards[instance.default_network_card]} ENIs; the two must be equal"
        )


def _hypervisor(instance: "InstanceLimits", attribute: "attrs.Attribute[str | None]", value: object) -> None:
    where = _where(instance, attribute)
    if instance.bare_metal and value is not None:
        raise InvalidArgument(f"{where} must be None, not {value!r}: bare metal has no hypervisor")
    if not instance.bare_metal and value not in ("nitro", "xen"):
        raise InvalidArgument(f"{where} must be 'nitro' or 'xen' (or None, with bare_metal=True), not {value!r}")


def _branch_eni_limit(instance: "InstanceLimits", attribute: "attrs.Attribute[int | None]", value: object) -> None:
    where = _where(instance, attribute)
    if not instance.trunk_compatible and value != 0:
        raise InvalidArgument(f"{where} must be 0, not {value!r}: the type takes no trunk ENI")
    if instance.trunk_compatible and value is not None:
        require_integer(where, value, 1)


@attrs.frozen(kw_only=True)
class InstanceLimits:
    """What EC2 allows an instance of one type.

    Attributes:
        instance_type: The name, as in `m5.large`.
        eni_limit: The ENIs of the default network card, not the sum over cards: the CNI uses the others only with ENABLE_MULTI_NIC.
        ipv4_per_eni: The private IPv4 addresses of an ENI, the primary one included.
        ipv6_per_eni: The IPv6 addresses of an ENI; 0 if the type has no IPv6. Default: `ipv4_per_eni`.
        network_cards: The maximum number of ENIs of each network card, by card index. Default: one card with `eni_limit` ENIs.
        default_network_card: The index of the card that has the primary ENI.
        bare_metal: Whether the instance is a whole machine.
        hypervisor: `nitro` or `xen`; None on bare metal.
        vcpus: The type's default number of vCPUs, 2 unless given. Only the recommended cap on pods depends on it.
        efa: Whether the type supports an Elastic Fabric Adapter.
        trunk_compatible: Whether the type takes a trunk ENI, for security groups for pods. Default: True, as ipamd assumes for a type that
            it doesn't know.
        branch_eni_limit: The most branch ENIs, and so the most pods with security groups; 0 if the type takes no trunk. None, the default
            for a type that takes one, means that the number is not known.

    Example:
        >>> InstanceLimits(instance_type="x9.large", eni_limit=3, ipv4_per_eni=10, vcpus=2).slots_per_eni
        9
    """

    instance_type: str = attrs.field(validator=_instance_type_name)
    eni_limit: int = attrs.field(validator=integer_field(1, MAX_ENIS, name=_where))
    ipv4_per_eni: int = attrs.field(validator=integer_field(1, MAX_ADDRESSES, name=_where))
    ipv6_per_eni: int = attrs.field(
        default=attrs.Factory(lambda self: self.ipv4_per_eni, takes_self=True), validator=integer_field(0, MAX_ADDRESSES, name=_where)
    )
    network_cards: tuple[int, ...] = attrs.field(default=attrs.Factory(lambda self: (self.eni_limit,), takes_self=True), validator=_cards)
    default_network_card: int = attrs.field(default=0, validator=_default_card)
    bare_metal: bool = attrs.field(default=False, validator=boolean_field(_where))
    hypervisor: str | None = attrs.field(
        default=attrs.Factory(lambda self: None if self.bare_metal else "nitro", takes_self=True), validator=_hypervisor
    )
    vcpus: int = attrs.field(default=2, validator=integer_field(1, MAX_VCPUS, name=_where))
    efa: bool = attrs.field(default=False, validator=boolean_field(_where))
    trunk_compatible: bool = attrs.field(default=True, validator=boolean_field(_where))
    branch_eni_limit: int | None = attrs.field(
        default=attrs.Factory(lambda self: None if self.trunk_compatible else 0, takes_self=True), validator=_branch_eni_limit
    )

    @property
    def slots_per_eni(self) -> int:
        """The places on an ENI for a secondary IPv4 address or a prefix: all IPv4 addresses but the primary one."""
        return self.ipv4_per_eni - 1

    @property
    def supports_prefixes(self) -> bool:
        """Whether slots can hold prefixes: on nitro and on bare metal."""
        return self.bare_metal or self.hypervisor == "nitro"

    @property
    def architecture(self) -> str:
        """The processor's architecture by EC2's name for it: `x86_64`, `arm64`, `x86_64_mac` or `arm64_mac`."""
        return architecture_of(self.instance_type)

    def to_dict(self) -> dict[str, Any]:
        """Return all attributes and the three properties as a JSON object."""
        values = attrs.asdict(self)
        values["network_cards"] = list(self.network_cards)
        names = ("slots_per_eni", "supports_prefixes", "architecture")
        return values | {name: getattr(self, name) for name in names}

    @classmethod
    def from_describe_instance_types(cls, item: Mapping[str, Any]) -> "InstanceLimits":
        """Read one item of `InstanceTypes` from EC2's answer to DescribeInstanceTypes.

        EC2 doesn't say which types take a trunk. That comes from the library's table, by the type's name.

        Raises:
            InvalidArgument: A value is missing or invalid.
            TypeError: The item, or a value in it, has the wrong type.
        """
        if not isinstance(item, Mapping):
            raise TypeError(f"an instance type's description must be an object, not {_kind(item)}")
        name = _dig(item, "InstanceType", "of an instance type", str)
        where = f"of instance type {name!r}"
        network = _dig(item, "NetworkInfo", where, dict)
        default_card = _dig(network, "DefaultNetworkCardIndex", where, int, 0)
        cards = _network_cards(_dig(network, "NetworkCards", where, list), where)
        if default_card not in range(len(cards)):
            raise InvalidArgument(f"DefaultNetworkCardIndex {where} is {default_card!r}, but there are {len(cards)} network cards")
        has_ipv6 = _dig(network, "Ipv6Supported", where, bool, True)  # noqa: FBT003 - the default
        return cls(
            instance_type=name,
            eni_limit=cards[default_card],
            ipv4_per_eni=_dig(network, "Ipv4AddressesPerInterface", where, int),
            ipv6_per_eni=_dig(network, "Ipv6AddressesPerInterface", where, int) if has_ipv6 else 0,
            network_cards=cards,
            default_network_card=default_card,
            bare_metal=_dig(item, "BareMetal", where, bool),
            hypervisor=_dig(item, "Hypervisor", where, str, None),
            vcpus=_dig(_dig(item, "VCpuInfo", where, dict), "DefaultVCpus", where, int),
            efa=_dig(network, "EfaSupported", where, bool, False),  # noqa: FBT003 - the default
            **known_branch_enis(name),
        )


def known_branch_enis(instance_type: object) -> dict[str, Any]:
    """The fields of `InstanceLimits` about trunk and branch ENIs, as the table has them; empty for an unknown type."""
    known = branch_eni_limit(instance_type) if isinstance(instance_type, str) else None
    return {} if known is None else {"trunk_compatible": known > 0, "branch_eni_limit": known}


_REQUIRED: Any = object()
_KINDS = {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _kind(value: object) -> str:
    """Name the kind of a value as JSON does."""
    return "null" if value is None else _KINDS.get(type(value), f"a {type(value).__name__}")


def _dig(mapping: Mapping[str, Any], key: str, where: str, wanted: type, default: Any = _REQUIRED) -> Any:  # noqa: ANN401 - of that type
    """Look up a value in EC2's answer; `where` follows the key in error messages."""
    value = mapping.get(key, default)
    if value is _REQUIRED:
        raise InvalidArgument(f"{key} {where} is missing; give the answer of DescribeInstanceTypes as EC2 gives it")
    if value is not default and (not isinstance(value, wanted) or isinstance(value, bool) is not (wanted is bool)):
        raise TypeError(f"{key} {where} must be {_KINDS[wanted]}, not {_kind(value)}")
    return value


def _network_cards(items: list[Any], where: str) -> tuple[int, ...]:
    maxima: dict[int, int] = {}
    for item in items:
        if not isinstance(item, Mapping):
            raise TypeError(f"each of NetworkCards {where} must be an object, not {_kind(item)}")
        maxima[_dig(item, "NetworkCardIndex", where, int)] = _dig(item, "MaximumNetworkInterfaces", where, int)
    if not items or set(maxima) != set(range(len(items))):
        raise InvalidArgument(f"NetworkCards {where} must be numbered from 0 without gaps, not {list(maxima)}")
    return tuple(maxima[index] for index in range(len(items)))


def load_limits(text: str) -> tuple[InstanceLimits, ...]:
    """Read the JSON that `aws ec2 describe-instance-types` prints, for types newer than the table.

    Args:
        text: One JSON document, or several in a row (pages). Each is an answer with `InstanceTypes`, a list of its items, one item, or a
            mapping from names to items.

    Returns:
        The limits, sorted by type. If a type occurs twice, the last item wins.

    Raises:
        InvalidArgument: The text is not JSON of that kind.
        TypeError: A value in it has the wrong type.
    """
    import json  # noqa: PLC0415 - most lookups never need it

    decoder = json.JSONDecoder()
    found: dict[str, InstanceLimits] = {}
    position = _skip_blanks(text, 0)
    while position < len(text):
        try:
            document, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:  # also a number too long, or lists nested too deep
            raise InvalidArgument(f"not JSON: {error}; give what `aws ec2 describe-instance-types --output json` prints") from None
        for item in _items(document):
            limits = InstanceLimits.from_describe_instance_types(item)
            found[limits.instance_type] = limits
        position = _skip_blanks(text, position)
    return tuple(found[name] for name in sorted(found))


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _items(document: object) -> list[Any]:
    """Return the descriptions in one JSON document."""
    if isinstance(document, dict):
        if "InstanceTypes" in document:
            document = document["InstanceTypes"]
        elif "InstanceType" in document:
            document = [document]
        else:
            document = list(document.values())
    if not isinstance(document, list):
        raise InvalidArgument(f"expected EC2's answer with InstanceTypes, or a list of its items, not {_kind(document)}")
    return document

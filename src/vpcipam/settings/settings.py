"""The settings of ipamd that affect addresses, read from variables or a manifest, or set one by one.

Reading is as lenient as ipamd: a value that it can't use becomes the default, with a diagnostic. Settings with which ipamd would refuse to
start can be read too, so that all errors show at once; `Settings.check` refuses them.
"""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TextIO

import attrs

from vpcipam._arguments import boolean_field, integer_field, require_integer
from vpcipam._units import NS_PER_S, counted
from vpcipam.address import AddressMode
from vpcipam.errors import InvalidArgument, SettingsError
from vpcipam.limits import InstanceLimits, instance_limits
from vpcipam.settings.diagnostics import Diagnostic, diagnose_variables, never_starts, sort_diagnostics
from vpcipam.settings.entry_point import entry_point_refusals
from vpcipam.settings.variables import MAX_COOLDOWN_S, MAX_INT, SHIPPED, VARIABLE_OF_SETTING, Value, explain, variable_text

if TYPE_CHECKING:
    from vpcipam.settings.reading import ManifestVariables

Origin = Literal["file", "manifest", "default"]


def _text(_instance: object, attribute: "attrs.Attribute[str]", value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a str, not {type(value).__name__} ({value!r})")


def _filled_text(instance: object, attribute: "attrs.Attribute[str]", value: object) -> None:
    _text(instance, attribute, value)
    if not value:
        raise InvalidArgument(f"{attribute.name} must not be empty")


@attrs.frozen(kw_only=True)
class Settings:
    """The settings of ipamd that affect addresses.

    `Settings()` is the manifest as AWS ships it. Two `Settings` are equal when all fields are equal, whatever their source.

    Attributes:
        warm_eni_target: How many ENIs' worth of addresses to keep free. Applies without prefixes and if no IP target is set.
        warm_ip_target: How many addresses to keep free; 0: not set.
        minimum_ip_target: The fewest addresses to have in total; 0: not set.
        warm_prefix_target: How many whole prefixes to keep free. Applies with prefixes and if no IP target is set.
        max_eni: The most ENIs the node may have; below 1: as many as the instance type takes.
        enable_prefix_delegation: Slots hold prefixes, if the instance type has them; see `address_mode`.
        enable_ipv4: Pods get IPv4 addresses.
        enable_ipv6: Pods get IPv6 addresses.
        ip_cooldown_period_s: The cooldown of a released address, in seconds.
        custom_network_cfg: Pods use the subnet of an ENIConfig; the primary ENI gives them no addresses.
        enable_pod_eni: Security groups for pods; see `takes_trunk`.
        enable_subnet_discovery: New ENIs go to the suitable subnet with the most free addresses.
        enable_multi_nic: The network cards above 0 are managed too.
        manage_enis_non_schedulable: A cordoned node still attaches and frees ENIs.
        disable_network_resource_provisioning: EC2 is never called to grow or shrink; see `provisioning_enabled`.
        enable_imds_only_mode: The instance metadata, not EC2, tells what is attached; see `provisioning_enabled`.
        manage_untagged_eni: ENIs without ipamd's tags are managed.
        disable_leaked_eni_cleanup: Leaked ENIs are left alone; see `leaked_eni_cleanup_enabled`.
        cluster_name: The cluster whose tagged subnets the node uses; empty: it uses tagged subnets of every cluster.
        backing_store: The path of the checkpoint file.

    Example:
        >>> Settings.from_env({"WARM_IP_TARGET": "5", "MINIMUM_IP_TARGET": "ten"}).minimum_ip_target
        0
        >>> Settings().with_variables({"ENABLE_PREFIX_DELEGATION": "true"}).address_mode("m5.large")
        <AddressMode.PREFIX: 'prefix'>
    """

    warm_eni_target: int = attrs.field(default=1, validator=integer_field(0, MAX_INT))
    warm_ip_target: int = attrs.field(default=0, validator=integer_field(0, MAX_INT))
    minimum_ip_target: int = attrs.field(default=0, validator=integer_field(0, MAX_INT))
    warm_prefix_target: int = attrs.field(default=1, validator=integer_field(0, MAX_INT))
    max_eni: int = attrs.field(default=-1, validator=integer_field(-1, MAX_INT))
    enable_prefix_delegation: bool = attrs.field(default=False, validator=boolean_field())
    enable_ipv4: bool = attrs.field(default=True, validator=boolean_field())
    enable_ipv6: bool = attrs.field(default=False, validator=boolean_field())
    ip_cooldown_period_s: int = attrs.field(default=30, validator=integer_field(0, MAX_COOLDOWN_S))
    custom_network_cfg: bool = attrs.field(default=False, validator=boolean_field())
    enable_pod_eni: bool = attrs.field(default=False, validator=boolean_field())
    enable_subnet_discovery: bool = attrs.field(default=True, validator=boolean_field())
    enable_multi_nic: bool = attrs.field(default=False, validator=boolean_field())
    manage_enis_non_schedulable: bool = attrs.field(default=False, validator=boolean_field())
    disable_network_resource_provisioning: bool = attrs.field(default=False, validator=boolean_field())
    enable_imds_only_mode: bool = attrs.field(default=False, validator=boolean_field())
    manage_untagged_eni: bool = attrs.field(default=True, validator=boolean_field())
    disable_leaked_eni_cleanup: bool = attrs.field(default=False, validator=boolean_field())
    cluster_name: str = attrs.field(default="", validator=_text)
    backing_store: str = attrs.field(default="/var/run/aws-node/ipam.json", validator=_filled_text)
    # For `variables` and `diagnostics`: the texts that were read, in order, and the diagnostics found while reading.
    _texts: tuple[tuple[str, str], ...] = attrs.field(default=tuple(SHIPPED.items()), eq=False, repr=False)
    _reading: tuple[Diagnostic, ...] = attrs.field(default=(), eq=False, repr=False)
    # For `origin_of`: the names that the document, mapping or changes set; the shipped manifest set the others.
    _own: frozenset[str] = attrs.field(default=frozenset(), eq=False, repr=False)
    _document: str = attrs.field(default="", eq=False, repr=False)

    # --- where settings come from ----------------------------------------------------------------------------------------

    @classmethod
    def from_env(cls, variables: Mapping[str, str]) -> "Settings":
        """Read variables as ipamd does.

        A variable that is missing, or whose text ipamd can't use, gets ipamd's default. For WARM_PREFIX_TARGET this default is 0; the
        shipped manifest has 1. So prefix delegation alone never starts, and `check` refuses it. One variable differs: a missing ENABLE_IPv4
        is on if ENABLE_IPv6 is off, because ipamd would not start with both off.

        Raises:
            TypeError: A name or a value is not text.
        """
        return cls._read(_environment(variables), (), frozenset(variables))

    @classmethod
    def from_daemonset(cls, source: str | os.PathLike[str] | TextIO) -> "Settings":
        """Read the variables of a manifest's aws-node container, as `from_env` does.

        Args:
            source: A text, its path, or an open text file with it, up to 2**20 characters: a DaemonSet or a pod, its `env` list, Helm
                values, the configuration of the EKS add-on as `aws eks describe-addon` or eksctl has it, the output of
                `kubectl set env --list` or `kubectl describe`, or the env settings of ipamd's introspection; see docs/documents.md.
                Helm values and add-on configuration apply on top of the shipped manifest. Other documents in the text are skipped.

        Raises:
            ManifestError: The text can't be read, or does not have the variables of exactly one aws-node container.
            MissingExtra: The manifest is YAML, and PyYAML is not installed.
        """
        from vpcipam.settings.manifest import read_manifest  # noqa: PLC0415 - most settings don't come from a manifest

        return cls.from_manifest(read_manifest(source))

    @classmethod
    def from_manifest(cls, found: "ManifestVariables") -> "Settings":
        """Make the settings of variables that `vpcipam.settings.manifest` has read, as `from_daemonset` does."""
        return cls._read(found.texts, found.diagnostics, found.own, found.document)

    @classmethod
    def _read(cls, texts: Mapping[str, str], reading: tuple[Diagnostic, ...], own: frozenset[str], document: str = "") -> "Settings":
        values = _parse_all(texts)
        values.setdefault("enable_ipv4", not values["enable_ipv6"])
        return cls(**values, texts=tuple(texts.items()), reading=reading, own=own, document=document)  # type: ignore[arg-type] # VARIABLE_OF_SETTING gives the right types

    def with_variables(self, changes: Mapping[str, str | float | None]) -> "Settings":
        """Change single variables, read as ipamd reads them; None removes a variable.

        Numbers and booleans are written as Helm writes them: True as `true`, 5 and 5.0 as `5`.

        Raises:
            TypeError: A name is not text, or a value is neither text, a whole number, a boolean nor None.
            InvalidArgument: A number is beyond 64 bits.

        Example:
            >>> Settings().with_variables({"WARM_IP_TARGET": 5, "WARM_ENI_TARGET": None}).warm_ip_target
            5
        """
        texts = dict(self.variables)
        for name, value in _mapping(changes).items():
            if value is None:
                texts.pop(name, None)
            else:
                texts[name] = variable_text(name, value)
        notes = tuple(note for note in self._reading if note.variable not in changes)
        return self._read(texts, notes, self._own.union(changes), self._document)

    # --- what they mean --------------------------------------------------------------------------------------------------

    @property
    def variables(self) -> dict[str, str]:
        """The variables as texts: the texts that were read, or for fields that have changed since, texts written from the fields."""
        texts = dict(self._texts)
        read = _parse_all(texts)
        read.setdefault("enable_ipv4", not self.enable_ipv6)
        for setting, variable in VARIABLE_OF_SETTING.items():
            value = getattr(self, setting)
            if read[setting] != value:
                texts[variable.name] = variable.format(value)
        return texts

    def origin_of(self, name: str) -> Origin:
        """Return where the value of a variable comes from.

        `file`: the document, mapping or change that made these settings sets it. `manifest`: the manifest that AWS ships does; Helm values
        and add-on configuration apply on top of it, a DaemonSet does not. `default`: it is not set, and ipamd takes its default.

        Raises:
            InvalidArgument: The variable is not set, and no release reads one of that name.
        """
        text = self.variables.get(name)
        if text is None:
            explain(name)
            return "default"
        return "file" if name in self._own or text != dict(self._texts).get(name) else "manifest"

    @property
    def document(self) -> str:
        """What `from_daemonset` read, such as `Helm values` or `DaemonSet kube-system/aws-node`; empty for settings from elsewhere."""
        return self._document

    @property
    def cooldown_ns(self) -> int:
        """The cooldown, in nanoseconds."""
        return self.ip_cooldown_period_s * NS_PER_S

    @property
    def ip_targets_defined(self) -> bool:
        """Whether WARM_IP_TARGET or MINIMUM_IP_TARGET is set; the other warm targets then have no effect."""
        return self.warm_ip_target > 0 or self.minimum_ip_target > 0

    @property
    def provisioning_disabled_by(self) -> str | None:
        """The variable that keeps the node from growing and shrinking, None if no variable does."""
        if self.enable_imds_only_mode:
            return "ENABLE_IMDS_ONLY_MODE"
        return "DISABLE_NETWORK_RESOURCE_PROVISIONING" if self.disable_network_resource_provisioning else None

    @property
    def provisioning_enabled(self) -> bool:
        """Whether the node grows and shrinks."""
        return self.provisioning_disabled_by is None

    @property
    def leaked_eni_cleanup_enabled(self) -> bool:
        """Whether the node deletes leaked ENIs: never in IPv6 mode, and only if provisioning is enabled."""
        return self.provisioning_enabled and not (self.disable_leaked_eni_cleanup or self.enable_ipv6)

    def eni_limit(self, limits: str | InstanceLimits) -> int:
        """The most ENIs on each network card: what the type allows on the default card, or MAX_ENI if that is lower (ipamd: getMaxENI)."""
        type_limit = instance_limits(limits).eni_limit
        return min(type_limit, self.max_eni) if self.max_eni > 0 else type_limit

    def takes_trunk(self, limits: str | InstanceLimits) -> bool:
        """Whether a node keeps room for a trunk ENI: ENABLE_POD_ENI is on, and the instance type takes one."""
        return self.enable_pod_eni and instance_limits(limits).trunk_compatible

    def address_mode(self, limits: str | InstanceLimits) -> AddressMode:
        """Return what an instance's slots hold.

        Prefix delegation on a type that has no prefixes (Xen) falls back to secondary IPs.

        Raises:
            SettingsError: ipamd would refuse to start on the instance.
            UnknownInstanceType: `limits` names a type that the table does not have.
        """
        self.check(limits)
        if self.enable_ipv6:
            return AddressMode.IPV6
        return (
            AddressMode.PREFIX if self.enable_prefix_delegation and instance_limits(limits).supports_prefixes else AddressMode.SECONDARY_IP
        )

    def for_network_card(self, index: int) -> "Settings":
        """Return the settings of one network card. On cards above 0 both IP targets are 1, whatever the variables say.

        Raises:
            SettingsError: The card is above 0 and ENABLE_MULTI_NIC is off.
            InvalidArgument: `index` is negative.
        """
        require_integer("a network card's index", index, 0)
        if index == 0:
            return self
        if not self.enable_multi_nic:
            raise SettingsError(f"network card {index} is not managed; turn ENABLE_MULTI_NIC on to use the cards above 0")
        return attrs.evolve(self, warm_ip_target=1, minimum_ip_target=1)

    # --- diagnostics -----------------------------------------------------------------------------------------------------

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that need no instance type, errors first."""
        return self._diagnose(None)

    def diagnose(self, limits: str | InstanceLimits) -> tuple[Diagnostic, ...]:
        """Return all diagnostics of these settings on an instance of a type, errors first."""
        return self._diagnose(instance_limits(limits))

    def check(self, limits: str | InstanceLimits | None = None) -> None:
        """Refuse settings with which the node would never become ready.

        The container's entry point, ipamd or Kubernetes refuses them; see docs/ipamd.md, "What never starts".

        Raises:
            SettingsError: There is a diagnostic of level `error`; the message lists all of them.
        """
        errors = [found for found in (self.diagnostics if limits is None else self.diagnose(limits)) if found.level == "error"]
        if errors:
            raise SettingsError("; ".join(f"{found.variable}: {found.message} ({found.suggestion})" for found in errors))

    def _diagnose(self, limits: InstanceLimits | None) -> tuple[Diagnostic, ...]:
        texts = self.variables
        refusals = list(entry_point_refusals(texts))
        single = [found for found in diagnose_variables(texts) if found.variable not in {each.variable for each in refusals}]
        contradictions = [never_starts(variable, "ipamd", *why) for variable, *why in _contradictions(self, limits)]
        found = [*self._reading, *refusals, *single, *contradictions]
        found += [*_likely_mistakes(self, texts), *_trunk_remarks(self, limits)]
        found += () if limits is None else _type_mismatches(self, limits)
        return sort_diagnostics(found)


def _mapping(variables: Mapping[Any, Any]) -> dict[str, Any]:
    """Refuse anything but a mapping whose keys are names."""
    if not isinstance(variables, Mapping):
        raise TypeError(f"variables must be a mapping from names to texts, not {type(variables).__name__}")
    for name in variables:
        if not isinstance(name, str):
            raise TypeError(f"the name of a variable must be a str, not {type(name).__name__} ({name!r})")
    return dict(variables)


def _environment(variables: Mapping[Any, Any]) -> dict[str, str]:
    """Refuse anything but texts, which are all that an environment can have."""
    for name, text in _mapping(variables).items():
        if not isinstance(text, str):
            advice = "an environment has texts only; Settings.with_variables takes whole numbers and booleans too"
            raise TypeError(f"{name} must be a str, not {type(text).__name__} ({text!r}): {advice}")
    return dict(variables)


def _parse_all(texts: Mapping[str, str]) -> dict[str, Value]:
    """Read the variables that act on addresses; the keys are the names of fields. A missing ENABLE_IPv4 is left out: see `from_env`."""
    values: dict[str, Value] = {}
    for setting, variable in VARIABLE_OF_SETTING.items():
        value = variable.parse(texts[variable.name]) if variable.name in texts else None
        values[setting] = variable.default if value is None else value
    if "ENABLE_IPv4" not in texts:
        del values["enable_ipv4"]
    return values


# --- combinations --------------------------------------------------------------------------------------------------------


def _contradictions(settings: Settings, limits: InstanceLimits | None) -> Iterator[tuple[str, str, str]]:
    """Find combinations with which ipamd refuses to start: variable, reason, suggestion."""
    if settings.enable_ipv4 and settings.enable_ipv6:
        yield "ENABLE_IPv6", "IPv4 and IPv6 are both on; ipamd has no dual stack", "set ENABLE_IPv4 or ENABLE_IPv6 to false"
    if not settings.enable_ipv4 and not settings.enable_ipv6:
        yield "ENABLE_IPv4", "IPv4 and IPv6 are both off", "set ENABLE_IPv4 or ENABLE_IPv6 to true"
    if not settings.enable_ipv6:
        return
    if not settings.enable_prefix_delegation:
        yield "ENABLE_PREFIX_DELEGATION", "IPv6 needs prefix delegation", "set ENABLE_PREFIX_DELEGATION to true"
    elif limits is not None and not limits.supports_prefixes:
        yield "ENABLE_IPv6", f"IPv6 needs prefixes, and {limits.instance_type} (Xen) has none", "use a nitro or bare-metal type"
    if settings.custom_network_cfg:
        yield "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", "IPv6 and custom networking exclude each other", "turn one of the two off"


def _likely_mistakes(settings: Settings, texts: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Find combinations that ipamd accepts but that are probably mistakes or worth knowing."""
    yield from _unused_targets(settings, texts)
    if settings.enable_ipv6:
        return
    if settings.minimum_ip_target and not settings.warm_ip_target:
        yield Diagnostic(
            "MINIMUM_IP_TARGET",
            "warning",
            "WARM_IP_TARGET is not set: once the minimum is in use, the node asks for no more addresses, and every further pod waits; "
            "some releases of the container do not even start",
            "set WARM_IP_TARGET too",
        )
    if not settings.warm_eni_target and not settings.enable_prefix_delegation and not settings.ip_targets_defined:
        message = "is 0: the node grows only when its last free address is taken, so that now and then a pod waits for a new ENI"
        yield Diagnostic("WARM_ENI_TARGET", "info", message)
    if not settings.ip_cooldown_period_s:
        yield Diagnostic(
            "IP_COOLDOWN_PERIOD",
            "warning",
            "is 0: an address can belong to a new pod while other nodes still send it the old pod's traffic",
            "leave it at 30, or at least above the time that kube-proxy takes to update its rules",
        )
    if settings.custom_network_cfg and settings.max_eni == 1:
        yield _no_eni_for_pods("MAX_ENI", "MAX_ENI is 1")
    if settings.provisioning_disabled_by is not None:
        yield Diagnostic(settings.provisioning_disabled_by, "info", "the node neither grows nor shrinks; no warm target has an effect")
    if settings.enable_imds_only_mode and not settings.manage_untagged_eni:
        message = "has no effect in IMDS-only mode, which reads no tags of ENIs: all of them are managed"
        yield Diagnostic("MANAGE_UNTAGGED_ENI", "warning", message, "remove it, or set ENABLE_IMDS_ONLY_MODE to false")


def _unused_targets(settings: Settings, texts: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Find targets that have no effect because of other settings.

    A value that equals the shipped manifest's gets only an info, and only if the user has written it.
    """
    chosen = {
        "WARM_ENI_TARGET": settings.warm_eni_target != 1,
        "WARM_IP_TARGET": settings.warm_ip_target > 0,
        "MINIMUM_IP_TARGET": settings.minimum_ip_target > 0,
        "WARM_PREFIX_TARGET": settings.warm_prefix_target > 1,
        "MAX_ENI": settings.max_eni > 0,
    }
    for name, reason, suggestion in _unused(settings):
        if chosen[name]:
            yield Diagnostic(name, "warning", f"has no effect {reason}", suggestion)
        elif name in texts and texts[name] == SHIPPED.get(name) and settings.origin_of(name) == "file":
            yield Diagnostic(name, "info", f"has no effect {reason}")


def _unused(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Find the targets that ipamd ignores: name, reason, suggestion."""
    if settings.enable_ipv6:
        for name in ("WARM_ENI_TARGET", "WARM_IP_TARGET", "MINIMUM_IP_TARGET", "WARM_PREFIX_TARGET", "MAX_ENI"):
            yield name, "in IPv6 mode, where the node has one /80 that never grows", "remove it"
    elif settings.ip_targets_defined:
        reason = "beside WARM_IP_TARGET and MINIMUM_IP_TARGET, which come first"
        yield "WARM_ENI_TARGET", reason, "set one or the other, not both"
        if settings.enable_prefix_delegation:
            yield "WARM_PREFIX_TARGET", reason, "set one or the other, not both"
    elif settings.enable_prefix_delegation:
        yield "WARM_ENI_TARGET", "with prefix delegation", "set WARM_PREFIX_TARGET instead"
    if settings.warm_prefix_target > 1 and not settings.enable_ipv6 and not settings.enable_prefix_delegation:
        yield "WARM_PREFIX_TARGET", "without prefix delegation", "set ENABLE_PREFIX_DELEGATION to true, or remove WARM_PREFIX_TARGET"


def _type_mismatches(settings: Settings, limits: InstanceLimits) -> Iterator[Diagnostic]:
    """Find settings that don't fit the instance type but that ipamd accepts."""
    name = limits.instance_type
    if settings.enable_ipv6:
        return
    if settings.enable_prefix_delegation and not limits.supports_prefixes:
        yield Diagnostic(
            "ENABLE_PREFIX_DELEGATION",
            "warning",
            f"{name} (Xen) has no prefixes; ipamd falls back to secondary IPs",
            "use a nitro or bare-metal type",
        )
    if settings.max_eni > limits.eni_limit:
        yield Diagnostic(
            "MAX_ENI",
            "warning",
            f"is {settings.max_eni}, but {name} takes {limits.eni_limit} ENIs; MAX_ENI can't raise that",
            "lower or remove it",
        )
    eni_limit = settings.eni_limit(limits)
    if settings.custom_network_cfg and eni_limit == 1 and settings.max_eni != 1:
        yield _no_eni_for_pods("AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", f"{name} takes only 1 ENI")
    if settings.enable_multi_nic and len(limits.network_cards) == 1:
        yield Diagnostic("ENABLE_MULTI_NIC", "info", f"{name} has only one network card")


def _trunk_remarks(settings: Settings, limits: InstanceLimits | None) -> Iterator[Diagnostic]:
    """Say what ENABLE_POD_ENI does: what it takes from the node, and whether pods with security groups can run."""
    if not settings.enable_pod_eni:
        return
    if limits is not None and not limits.trunk_compatible:
        yield Diagnostic(
            "ENABLE_POD_ENI",
            "warning",
            f"{limits.instance_type} takes no trunk ENI: nothing is kept back for one, and pods with security groups can't run there",
            "use a type with branch ENIs for these pods; `vpcipam limits` shows which types have some",
        )
        return
    if settings.enable_ipv6:
        return
    eni_limit = settings.max_eni if limits is None else settings.eni_limit(limits)
    if eni_limit != 1:
        some = "on types that take a trunk ENI, " if limits is None else ""
        yield Diagnostic("ENABLE_POD_ENI", "info", f"{some}keeps one ENI for the trunk, so that the node has the addresses of one ENI less")
    limited_by = (
        f"MAX_ENI {settings.max_eni}"
        if limits is None or eni_limit < limits.eni_limit
        else f"{limits.instance_type}, which takes {counted(eni_limit, 'ENI')}"
    )
    if eni_limit == 1:
        yield Diagnostic(
            "ENABLE_POD_ENI",
            "warning",
            f"with {limited_by}, a node has no room for the trunk: pods with security groups can't run there",
            "use a larger type or a higher MAX_ENI",
        )
    elif eni_limit == 2 and settings.custom_network_cfg and limits is not None:
        yield Diagnostic(
            "ENABLE_POD_ENI",
            "warning",
            f"with {limited_by}, the trunk takes the only ENI beside the primary one, which gives pods no addresses under custom "
            "networking: the node never becomes ready",
            "allow 3 ENIs or more",
        )


def _no_eni_for_pods(variable: str, reason: str) -> Diagnostic:
    """Warn that custom networking excludes the only ENI."""
    return Diagnostic(
        variable,
        "warning",
        f"{reason}, and with custom networking the primary ENI gives pods no addresses: the node never becomes ready",
        "allow 2 ENIs or more",
    )

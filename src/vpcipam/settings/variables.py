"""The environment variables of the aws-node container, and how ipamd reads their values.

The values are texts. ipamd is written in Go and reads booleans with `strconv.ParseBool` and integers with `strconv.Atoi`; a text that
these refuse counts as the variable's default. `vpcipam.settings.settings` decides what combinations mean.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from attrs import frozen

from vpcipam._pool_refusals import TIME_MAX_NS
from vpcipam._units import NS_PER_S
from vpcipam.errors import InvalidArgument

Value = bool | int | str
Kind = Literal["bool", "int", "text"]

MAX_INT = 2**63 - 1
"""The largest `int` of ipamd, which runs on 64-bit machines."""

MAX_COOLDOWN_S = TIME_MAX_NS // NS_PER_S
"""The longest cooldown that the pools can count, in seconds: 146 years."""

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_INTEGER = re.compile(r"([+-]?)([0-9]+)")
_MAX_INT_DIGITS = 19
_LONGEST_NAME = 60  # unknown names are cut to this, because comparing takes quadratic time
_SIMILAR = 0.8  # the least similarity of a match; equal names have 1
_ALMOST_EQUAL = 0.95
_FIRST_WORDS = re.compile(r"(?:(?:AWS|VPC|K8S|EKS|CNI|PLUGIN)_)+")
_SHORTEST_CORE = 8


@frozen
class Variable:
    """One environment variable of the aws-node container.

    Attributes:
        name: The name; case matters.
        kind: How its text is read.
        default: ipamd's value if the variable is missing or its text can't be read.
        shipped: The text in the manifest that AWS ships (v1.23.1); None if the manifest leaves it out.
        effect: What the variable does.
        setting: The name of its field in `Settings`; None if it has no effect on addresses.
        minimum: For an int: a smaller number counts as the default.
        maximum: For an int: a larger number counts as the default.
    """

    name: str
    kind: Kind
    default: Value
    shipped: str | None
    effect: str
    setting: str | None = None
    minimum: int = 0
    maximum: int = MAX_INT

    @property
    def acts_on_addresses(self) -> bool:
        """Whether it affects which addresses a node has and gives to pods."""
        return self.setting is not None

    def parse(self, text: str) -> Value | None:
        """Read a text as ipamd does; None if ipamd would use the default."""
        if self.kind == "bool":
            return parse_bool(text)
        if self.kind == "int":
            number = parse_int(text)
            return number if number is not None and self.minimum <= number <= self.maximum else None
        return text or None

    def format(self, value: Value) -> str:
        """Write a value as a text that `parse` reads back."""
        return str(value).lower() if self.kind == "bool" else str(value)


def parse_bool(text: str) -> bool | None:
    """Read a boolean as Go's strconv.ParseBool does; None for any other text."""
    if text in _TRUE:
        return True
    return False if text in _FALSE else None


def parse_int(text: str) -> int | None:
    """Read an integer as Go's strconv.Atoi does: decimal digits with an optional sign, within 64 bits; None for any other text."""
    match = _INTEGER.fullmatch(text)
    # Leading zeros don't count: Go accepts any number of them, and Python refuses to read very long texts.
    digits = match[2].lstrip("0") or "0" if match else ""
    if match is None or len(digits) > _MAX_INT_DIGITS:
        return None
    number = int(match[1] + digits)
    return number if -MAX_INT - 1 <= number <= MAX_INT else None


def scalar_text(value: object) -> str:
    """Write a scalar as Helm and Kubernetes do: true, not True; 5, not 5.0."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def variable_text(name: str, value: object) -> str:
    """Write a variable's value as Helm does: a text as it is, True as "true", 5 and 5.0 as "5".

    Raises:
        TypeError: The value is of another kind, or a float with a fraction.
        InvalidArgument: It is a number beyond 64 bits.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, int) and not (isinstance(value, float) and value.is_integer()):
        raise TypeError(f"{name} must be a text, a whole number, true or false, not {type(value).__name__} ({value!r})")
    if not -MAX_INT - 1 <= value <= MAX_INT:
        raise InvalidArgument(f"{name} is a number beyond 64 bits, which ipamd can't read; write a smaller one")
    return scalar_text(value)


# Name, kind, default, text in the shipped manifest (None: not in it), effect.
_Row = tuple[str, Kind, Value, str | None, str]

_ACTING_ON_ADDRESSES: tuple[_Row, ...] = (
    ("WARM_ENI_TARGET", "int", 1, "1", "keeps the addresses of this many ENIs free; only without prefixes and without IP targets"),
    ("WARM_IP_TARGET", "int", 0, None, "keeps this many addresses free; 0: not set"),
    ("MINIMUM_IP_TARGET", "int", 0, None, "keeps at least this many addresses attached; 0: not set"),
    ("WARM_PREFIX_TARGET", "int", 0, "1", "keeps this many prefixes free; only with prefixes and without IP targets"),
    ("MAX_ENI", "int", -1, None, "limits the ENIs of the node; below 1: only the instance type limits them"),
    ("ENABLE_PREFIX_DELEGATION", "bool", False, "false", "puts /28 prefixes into the slots instead of single addresses"),
    ("ENABLE_IPv4", "bool", False, "true", "gives pods IPv4 addresses; exactly one of this and ENABLE_IPv6 must be on"),
    ("ENABLE_IPv6", "bool", False, "false", "gives pods IPv6 addresses of one /80; needs prefix delegation"),
    ("IP_COOLDOWN_PERIOD", "int", 30, None, "keeps a released address unused for this many seconds"),
    (
        "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG",
        "bool",
        False,
        "false",
        "puts pods into the subnet of an ENIConfig, and none on the primary ENI",
    ),
    ("ENABLE_POD_ENI", "bool", False, "false", "security groups for pods: keeps one ENI for their trunk, on types that take one"),
    ("ENABLE_SUBNET_DISCOVERY", "bool", True, "true", "puts new ENIs into the matching subnet with the most free addresses"),
    ("ENABLE_MULTI_NIC", "bool", False, "false", "manages the network cards above 0 too"),
    ("AWS_MANAGE_ENIS_NON_SCHEDULABLE", "bool", False, None, "lets a cordoned node attach and free ENIs"),
    ("DISABLE_NETWORK_RESOURCE_PROVISIONING", "bool", False, "false", "never calls EC2 to grow or shrink the pool"),
    ("ENABLE_IMDS_ONLY_MODE", "bool", False, "false", "reads only the instance metadata, and never grows or shrinks the pool"),
    ("MANAGE_UNTAGGED_ENI", "bool", True, None, "manages ENIs that carry none of ipamd's tags"),
    ("DISABLE_LEAKED_ENI_CLEANUP", "bool", False, None, "does not delete unattached ENIs that nodes left behind"),
    ("CLUSTER_NAME", "text", "", None, "leaves alone the subnets that are tagged for other clusters; tags ENIs with the cluster's name"),
    ("AWS_VPC_K8S_CNI_BACKING_STORE", "text", "/var/run/aws-node/ipam.json", None, "names the checkpoint file"),
)
_OTHERS: tuple[_Row, ...] = (
    ("ADDITIONAL_ENI_TAGS", "text", "{}", "{}", "tags the ENIs that ipamd creates"),
    ("ANNOTATE_POD_IP", "bool", False, None, "writes a pod's address into an annotation of the pod"),
    ("AWS_EC2_ENDPOINT", "text", "", None, "replaces the address of EC2's API"),
    ("AWS_EXTERNAL_SERVICE_CIDRS", "text", "", None, "routes these CIDRs by the main table"),
    ("AWS_VPC_CNI_NODE_PORT_SUPPORT", "bool", True, "true", "makes node ports work on the primary interface"),
    ("AWS_VPC_ENI_MTU", "int", 9001, "9001", "sets the MTU of ENIs"),
    ("AWS_VPC_K8S_CNI_CONFIGURE_RPFILTER", "bool", True, None, "set the primary interface's rp_filter in old releases; no longer read"),
    ("AWS_VPC_K8S_CNI_CONNMARK", "text", "0x80", None, "picks the mark bit for traffic from outside"),
    ("AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS", "text", "", None, "keeps traffic to these CIDRs from source NAT"),
    ("AWS_VPC_K8S_CNI_EXTERNALSNAT", "bool", False, "false", "turns the node's source NAT off; something else must do it"),
    ("AWS_VPC_K8S_CNI_LOGLEVEL", "text", "DEBUG", "DEBUG", "sets ipamd's log level"),
    (
        "AWS_VPC_K8S_CNI_LOG_FILE",
        "text",
        "/host/var/log/aws-routed-eni/ipamd.log",
        "/host/var/log/aws-routed-eni/ipamd.log",
        "names ipamd's log",
    ),
    ("AWS_VPC_K8S_CNI_RANDOMIZESNAT", "text", "prng", "prng", "picks how source NAT randomises ports: hashrandom, prng or none"),
    ("AWS_VPC_K8S_CNI_VETHPREFIX", "text", "eni", "eni", "sets the start of the names of pods' host interfaces; up to 4 letters"),
    ("AWS_VPC_K8S_EGRESS_V4_PLUGIN_LOG_FILE", "text", "/var/log/aws-routed-eni/egress-v4-plugin.log", None, "names a plugin's log"),
    ("AWS_VPC_K8S_EGRESS_V6_PLUGIN_LOG_FILE", "text", "/var/log/aws-routed-eni/egress-v6-plugin.log", None, "names a plugin's log"),
    (
        "AWS_VPC_K8S_PLUGIN_LOG_FILE",
        "text",
        "/var/log/aws-routed-eni/plugin.log",
        "/var/log/aws-routed-eni/plugin.log",
        "names the plugin's log",
    ),
    ("AWS_VPC_K8S_PLUGIN_LOG_LEVEL", "text", "DEBUG", "DEBUG", "sets the plugin's log level"),
    ("CLUSTER_ENDPOINT", "text", "", None, "gives the address of the API server"),
    ("DISABLE_INTROSPECTION", "bool", False, "false", "turns the introspection endpoint off"),
    ("DISABLE_METRICS", "bool", False, "false", "turns the metrics endpoint off"),
    ("DISABLE_POD_V6", "bool", False, None, "turns IPv6 off inside pods"),
    ("DISABLE_TCP_EARLY_DEMUX", "bool", False, None, "lets the kubelet reach pods that have their own ENI; read by the init container"),
    ("ENABLE_BANDWIDTH_PLUGIN", "bool", False, None, "chains the bandwidth plugin"),
    ("ENABLE_NFTABLES", "bool", False, None, "picked nftables in some releases"),
    ("ENABLE_V4_EGRESS", "bool", True, None, "gives IPv6 pods a way out over IPv4"),
    ("ENABLE_V6_EGRESS", "bool", False, None, "gives IPv4 pods a way out over IPv6"),
    ("ENI_CONFIG_ANNOTATION_DEF", "text", "k8s.amazonaws.com/eniConfig", None, "names the node annotation that picks an ENIConfig"),
    ("ENI_CONFIG_LABEL_DEF", "text", "k8s.amazonaws.com/eniConfig", None, "names the node label that picks an ENIConfig"),
    ("HTTP_TIMEOUT", "int", 10, None, "limits the seconds that a call to AWS may take"),
    ("HOST_CNI_BIN_PATH", "text", "/host/opt/cni/bin", None, "says where the plugin goes"),
    ("HOST_CNI_CONFDIR_PATH", "text", "/host/etc/cni/net.d", None, "says where the plugin's configuration goes"),
    ("INTROSPECTION_BIND_ADDRESS", "text", "127.0.0.1:61679", None, "says where the introspection endpoint listens"),
    ("MY_NODE_NAME", "text", "", None, "tells ipamd its node"),
    ("MY_POD_NAME", "text", "", None, "tells ipamd its pod"),
    (
        "NETWORK_POLICY_ENFORCING_MODE",
        "text",
        "",
        "standard",
        "picks what new pods may reach until their policies are known: none, strict or standard",
    ),
    ("POD_MTU", "int", 9001, None, "sets the MTU inside pods; unset: the ENI's MTU"),
    ("POD_SECURITY_GROUP_ENFORCING_MODE", "text", "strict", None, "picks which traffic a pod's security groups see: strict or standard"),
    ("VPC_CNI_VERSION", "text", "", "v1.23.1", "says which release this is"),
    ("VPC_ID", "text", "", None, "tells ipamd its VPC"),
)
# The fields of `Settings` whose name is not the variable's name in lower case.
_SETTING_NAMES = {
    "IP_COOLDOWN_PERIOD": "ip_cooldown_period_s",
    "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "custom_network_cfg",
    "AWS_MANAGE_ENIS_NON_SCHEDULABLE": "manage_enis_non_schedulable",
    "AWS_VPC_K8S_CNI_BACKING_STORE": "backing_store",
}
_MINIMUM = {"MAX_ENI": -1}
_MAXIMUM = {"IP_COOLDOWN_PERIOD": MAX_COOLDOWN_S}


def _variable(row: _Row, setting: str | None) -> Variable:
    return Variable(*row, setting, _MINIMUM.get(row[0], 0), _MAXIMUM.get(row[0], MAX_INT))


VARIABLES: Mapping[str, Variable] = MappingProxyType(
    {row[0]: _variable(row, _SETTING_NAMES.get(row[0], row[0].lower())) for row in _ACTING_ON_ADDRESSES}
    | {row[0]: _variable(row, None) for row in _OTHERS}
)
"""Every variable that a release of the aws-node container reads, by name."""

VARIABLE_OF_SETTING: Mapping[str, Variable] = MappingProxyType(
    {variable.setting: variable for variable in VARIABLES.values() if variable.setting is not None}
)
"""The variables that act on addresses, by the name of their field in `Settings`."""

SHIPPED: Mapping[str, str] = MappingProxyType(
    {name: variable.shipped for name, variable in VARIABLES.items() if variable.shipped is not None}
)
"""The variables of the manifest that AWS ships (v1.23.1), as texts, without MY_NODE_NAME and MY_POD_NAME, which differ for each pod."""

MISTAKEN_NAMES: Mapping[str, tuple[str | None, str]] = MappingProxyType(
    {
        "AWS_VPC_K8S_CNI_RANDOMIZESSID": ("AWS_VPC_K8S_CNI_RANDOMIZESNAT", "seen in write-ups, but no release reads it"),
        "AWS_VPC_K8S_PLUGIN_LOGLEVEL": ("AWS_VPC_K8S_PLUGIN_LOG_LEVEL", "seen in write-ups, but no release reads it"),
        "ENABLE_POD_ENCRYPTION": (None, "the VPC CNI has no such feature; only vpcipam itself can encrypt"),
    }
)
"""Wrong names found in write-ups: for each, the right name or None, and what is wrong."""

_AMBIENT = (
    r"AWS_(REGION|DEFAULT_REGION|PROFILE|ROLE_.*|WEB_IDENTITY_.*|STS_.*|CONTAINER_.*|USE_.*|CA_BUNDLE|ENDPOINT_URL.*|EC2_METADATA_.*"
    r"|ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|MAX_ATTEMPTS|RETRY_MODE|SDK_.*|CONFIG_FILE|SHARED_CREDENTIALS_FILE)"
    r"|(https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY|GO[A-Z]+|KUBERNETES_.*|PATH|HOME|HOSTNAME|TZ|LANG|SSL_CERT_(FILE|DIR)"
)


def is_ambient(name: str) -> bool:
    """Tell whether a name belongs to the AWS SDK, Go, Kubernetes or the system, and so needs no diagnostic."""
    return re.fullmatch(_AMBIENT, name) is not None


def nearest_variable(name: str) -> str | None:
    """Find the known name nearest to an unknown one; None if none is close.

    A name that differs in case or in its first words only, such as AWS_VPC_K8S_CNI_WARM_ENI_TARGET or CUSTOM_NETWORK_CFG, is nearest.
    """
    import difflib  # noqa: PLC0415 - only a mistake needs it

    if name in MISTAKEN_NAMES:
        return MISTAKEN_NAMES[name][0]
    wanted = name[:_LONGEST_NAME].upper()
    by_capitals = {known.upper(): known for known in VARIABLES}
    by_core = {_core(known): known for known in by_capitals if _core(known) == known or _tells_enough(_core(known))}
    almost_equal = difflib.get_close_matches(wanted, by_capitals, 1, _ALMOST_EQUAL)
    similar_core = [by_core[core] for core in difflib.get_close_matches(_core(wanted), by_core, 1, _SIMILAR)]
    for matches in (almost_equal, similar_core, difflib.get_close_matches(wanted, by_capitals, 1, _SIMILAR)):
        if matches:
            return by_capitals[matches[0]]
    return None


def _core(name: str) -> str:
    """Cut off the words with which many variables begin."""
    return _FIRST_WORDS.sub("", name)


def _tells_enough(core: str) -> bool:
    """Tell whether what is left of a name still says what it is; the ID of VPC_ID and the VERSION of VPC_CNI_VERSION don't."""
    return "_" in core or len(core) >= _SHORTEST_CORE


def explain(name: str) -> Variable:
    """Look up a variable by its name.

    Raises:
        InvalidArgument: No release reads a variable of that name. The message suggests the nearest name.

    Example:
        >>> explain("WARM_IP_TARGET").effect
        'keeps this many addresses free; 0: not set'
    """
    if name not in VARIABLES:
        nearest = nearest_variable(name)
        raise InvalidArgument(f"the aws-node container reads no variable {name!r}" + (f"; did you mean {nearest}?" if nearest else ""))
    return VARIABLES[name]

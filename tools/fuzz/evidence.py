"""Files of real nodes with a structure: mutated documents, long texts, archives. The target `evidence` has files of any bytes."""

import copy
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

from fuzz.target import Choices, Target, require, text_of
from vpcipam.cli.node_drawing import draw
from vpcipam.cli.node_picture import pictures_of
from vpcipam.inspection import Evidence, read_files
from vpcipam.inspection.readers import long_lists
from vpcipam.inspection.readers.collector import Collector

_KEY = {"networkName": "aws-cni", "containerID": "c1", "ifName": "eth0"}
_USED = {"IPAMKey": _KEY, "IPAMMetadata": {}, "AssignedTime": "2026-03-01T10:00:00Z", "UnassignedTime": "2026-03-01T10:00:00Z"}
_CIDRS = {"10.0.0.16/28": {"IPAddresses": {"10.0.0.17": _USED, "10.0.0.18": _USED}}, "10.0.0.5/32": {"IPAddresses": {}}}
_ENI = {
    "ID": "eni-1",
    "IsPrimary": True,
    "IsTrunk": False,
    "DeviceNumber": 0,
    "AvailableIPv4Cidrs": _CIDRS,
    "IPv6Cidrs": {"2001:db8::/80": {}},
}
_EC2_ENI = {
    "NetworkInterfaceId": "eni-1",
    "PrivateIpAddress": "10.0.0.4",
    "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": "10.0.0.4"}, {"Primary": False, "PrivateIpAddress": "10.0.0.5"}],
    "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.16/28"}],
    "Attachment": {"AttachmentId": "a", "InstanceId": "i-1", "DeviceIndex": 0, "NetworkCardIndex": 0, "DeleteOnTermination": True},
    "InterfaceType": "interface",
    "TagSet": [{"Key": "a", "Value": "b"}],
}
_SUBNET = {"SubnetId": "subnet-1", "CidrBlock": "10.0.0.0/24", "AvailableIpAddressCount": 7, "Tags": []}
_TYPE = {"InstanceType": "x1.large", "BareMetal": False, "Hypervisor": "nitro", "VCpuInfo": {"DefaultVCpus": 2}}
_NETWORK = {"NetworkCards": [{"NetworkCardIndex": 0, "MaximumNetworkInterfaces": 3}], "Ipv4AddressesPerInterface": 4}
_POD = {
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "d", "annotations": {"vpc.amazonaws.com/pod-eni": '[{"eniId":"e","vlanId":1}]'}},
    "spec": {"nodeName": "n", "hostNetwork": False},
    "status": {"phase": "Running", "podIP": "10.0.0.5", "podIPs": [{"ip": "10.0.0.5"}]},
}
_NODE = {
    "kind": "Node",
    "metadata": {"name": "n", "labels": {"node.kubernetes.io/instance-type": "m5.large"}},
    "spec": {"providerID": "aws:///us-east-1a/i-1", "unschedulable": True},
    "status": {"capacity": {"pods": "29"}, "conditions": [{"type": "Ready", "status": "True"}], "addresses": []},
}
_RULES = [
    {"priority": 1024, "src": "all", "fwmark": "0x80", "fwmask": "0x80", "table": "main"},
    {"priority": 1536, "src": "10.0.0.5", "srclen": 32, "dst": "10.0.0.0", "dstlen": 8, "iif": "eth0", "ipproto": "tcp", "table": "2"},
]
_ROUTES = [{"dst": "default", "gateway": "10.0.0.1", "dev": "eth0", "prefsrc": "10.0.0.4", "metric": 1, "scope": "link", "flags": []}]
_INTERFACES = [{"ifindex": 1, "ifname": "eth0", "flags": ["UP"], "mtu": 9001, "addr_info": [{"local": "10.0.0.4", "prefixlen": 24}]}]
_MATCH = {"match": {"op": "==", "left": {"&": [{"ct": {"key": "mark"}}, 128]}, "right": {"prefix": {"addr": "10.0.0.0", "len": 8}}}}
_NFT = [
    {"table": {"family": "ip", "name": "t"}},
    {"chain": {"family": "ip", "table": "t", "name": "c", "type": "nat", "hook": "prerouting", "prio": -90, "policy": "accept"}},
    {"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [_MATCH, {"counter": {}}, {"jump": {"target": "c"}}]}},
]
_DOCUMENTS: tuple[Any, ...] = (
    _RULES,
    _ROUTES,
    _INTERFACES,
    {"nftables": _NFT},
    {"0": {"TotalIPs": 17, "AssignedIPs": 1, "ENIs": {"eni-1": _ENI}}},
    {"ENIIPPools": {"eni-1": {"Id": "eni-1", "IPv4Addresses": {"10.0.0.5": {"Assigned": True}}}}},
    {"version": "vpc-cni-ipam/1", "allocations": [_KEY | {"ipv4": "10.0.0.5", "allocationTimestamp": 7, "metadata": {"k8sPodName": "p"}}]},
    {"p_d_c": {"IP": "10.0.0.5", "DeviceNumber": 0}},
    {"NetworkInterfaces": [_EC2_ENI], "NextToken": "x"},
    {"Reservations": [{"Instances": [{"InstanceId": "i-1", "InstanceType": "m5.large", "State": {}, "NetworkInterfaces": [_EC2_ENI]}]}]},
    {"Subnets": [_SUBNET], "SubnetIpv4CidrReservations": [{"SubnetCidrReservationId": "s", "Cidr": "10.0.0.0/28"}]},
    {"InstanceTypes": [_TYPE | {"NetworkInfo": _NETWORK}]},
    {"kind": "List", "apiVersion": "v1", "items": [_POD, _NODE, {"kind": "Event", "involvedObject": {}, "count": 3, "metadata": {}}]},
    {"kind": "ENIConfig", "metadata": {"name": "e"}, "spec": {"subnet": "s", "securityGroups": ["sg"]}},
    {
        "kind": "DaemonSet",
        "spec": {"template": {"spec": {"containers": [{"name": "aws-node", "env": [{"name": "MAX_ENI", "value": "2"}]}]}}},
    },
)
_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1 << 70, 1.5, 1e308, "", "x" * 3000, "10.0.0.5", "10.x.x.x", "10.0.0.0/8", "::/0", "2001:db8::/80"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "\x1b[2J", "\ud800", [], {}, [[[[]]]], [None], {"a": {"a": {}}}),
)


def _use(evidence: Evidence) -> None:
    """Use all that was read, as the command does."""
    evidence.held_addresses()
    for picture in pictures_of(evidence).nodes:
        require(all(sum(len(text) for text, _ in line) <= 60 for line in draw(picture, 60)), "a line of a picture is too wide")


# --- documents -----------------------------------------------------------------------------------------------------------------


def _mutated(choices: Choices) -> Any:  # noqa: ANN401 - any document
    """Return a document that is changed in places."""
    root = [copy.deepcopy(choices.among(_DOCUMENTS))]
    for _ in range(choices.number() % 6):
        holder: Any = root
        while True:  # go down to a place
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = choices.among(keys[:256])
            inner = holder[key]
            if isinstance(inner, dict | list) and inner and choices.number() & 1:
                holder = inner
                continue
            _change(holder, key, choices)
            break
    return root[0] if root else {}


def _change(holder: Any, key: Any, choices: Choices) -> None:  # noqa: ANN401 - a part of any document
    how = choices.number() % 5
    if how == 0:
        holder[key] = copy.deepcopy(choices.among(_VALUES))
    elif how == 1:
        del holder[key]
    elif how == 2:
        holder[key] = [holder[key]] * (choices.number() % 5)
    elif how == 3 and isinstance(holder, dict):
        holder[str(choices.among(_VALUES))[:300]] = holder.pop(key)
    else:
        holder[key] = copy.deepcopy(choices.among(_DOCUMENTS))


def _text_of(choices: Choices) -> str:
    """Return a text with mutated documents; a byte says how it is written, and another where it is cut."""
    how = choices.number()
    indent = (None, 1)[how & 1]
    texts = [json.dumps(_mutated(choices), indent=indent) for _ in range(1 + (how >> 1 & 1))]
    text = ("\n", " ", "\n---\n", "")[how >> 2 & 3].join(texts)
    if how & 16:
        text = text.replace('"', "'")
    if how & 32:
        text = "$ curl\n" + text + "\n$"
    length = choices.number(2)
    return text[:length] if how & 64 else text


def read_documents(data: bytes) -> None:
    """Read mutated documents of real nodes, and draw the nodes."""
    evidence = read_files([("fuzz", io.BytesIO(_text_of(Choices(data)).encode("utf-8", "surrogatepass")))])
    require(evidence.documents or evidence.skipped, "a text is neither recognised nor skipped")
    _use(evidence)


def read_long_texts(data: bytes) -> None:
    """Read a text item by item. If nothing of it is skipped, it has the facts of the text that is read as a whole."""
    choices = Choices(data)
    size = 1 + choices.number() % 64
    text = _text_of(choices) if choices.number() & 1 else text_of(choices.data[choices.place :])
    pieces = io.StringIO(text, newline="")
    collector = Collector()
    long_lists.read_long_json(collector, lambda _: pieces.read(size))
    evidence = collector.evidence()
    _use(evidence)
    whole = read_files([("", io.BytesIO(text.encode("utf-8", "surrogatepass")))])
    if not evidence.skipped and not whole.skipped:
        require(_values(evidence) == _values(whole), "a text that is read item by item has other facts")


def _values(evidence: Evidence) -> dict[str, list[Any]]:
    """Return the facts without their places, and without variables: those of several items of a list are read together if it is short."""
    return {name: [fact.value for fact in facts] for name, facts in evidence.facts() if name != "settings"}


# --- archives --------------------------------------------------------------------------------------------------------------------


_NAMES = ("", "/a", "../a", "é\x1b[2J", "n" * 300, "a/b/", "C:\\a")


def _zip(entries: list[tuple[str, bytes]], how: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if how & 1 else zipfile.ZIP_STORED) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def _tar(entries: list[tuple[str, bytes]], how: int) -> bytes:
    file = io.BytesIO()
    form = tarfile.PAX_FORMAT if how & 1 else tarfile.GNU_FORMAT
    with tarfile.open(fileobj=file, mode="w", format=form, errors="surrogateescape") as archive:
        for number, (name, content) in enumerate(entries):
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.SYMTYPE if how & 2 << number else tarfile.REGTYPE
            entry.size = 0 if entry.issym() else len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


_PACKINGS: tuple[Callable[[list[tuple[str, bytes]], int], bytes], ...] = (
    _zip,
    _tar,
    lambda entries, how: gzip.compress(_tar(entries, how), mtime=0),
    lambda entries, how: gzip.compress(_zip(entries, how), mtime=0),
    lambda entries, _: b"".join(gzip.compress(content, mtime=0) for _, content in entries),
)


def read_archives(data: bytes) -> None:
    """Read an archive with entries, of which some bytes are changed."""
    choices = Choices(data)
    pack, how = choices.among(_PACKINGS), choices.number()
    entries = []
    for number in range(1 + choices.number() % 3):
        name = f"{number}{choices.among(_NAMES)}"
        content = json.dumps(choices.among(_DOCUMENTS)).encode() * (1 + choices.number() % 3)
        entries.append((name, content))
    packed = bytearray(pack(entries, how))
    while choices and packed:
        packed[choices.number(2) % len(packed)] = choices.number()
    if how & 128:
        del packed[choices.number(2) :]
    _use(read_files([("fuzz", io.BytesIO(bytes(packed)))]))


TARGETS = (
    Target("documents", read_documents),
    Target("long_texts", read_long_texts, ("NetworkInterfaces", "items", "Reservations", "data", '{"', "[{", "}]", "...", "'a':")),
    Target("archives", read_archives),
)

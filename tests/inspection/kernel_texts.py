"""What ip, iptables-save, nft and sysctl print of values."""

from vpcipam.datapath.eni import eni_plan
from vpcipam.datapath.host import host_plan
from vpcipam.datapath.layout import DatapathEni, PodAddress
from vpcipam.datapath.pod import pod_plan
from vpcipam.datapath.values import Route, Rule, XtablesChain, XtablesRule, expected

TABLES = {254: "main", 255: "local", 253: "default"}


def node_values(enis, assignments, settings, vpc_cidrs=("10.0.0.0/16",)):
    """What the kernel of a healthy node has.

    Args:
        enis: the `DatapathEni` values, the primary one first.
        assignments: the `Assignment` of each pod, with its sandbox and its `PodRef`.
    """
    steps = [*host_plan(enis[0], settings, vpc_cidrs)]
    for eni in enis[1:]:
        steps += eni_plan(eni, settings)
    for key, pod, assignment in assignments:
        steps += pod_plan(key, pod, [PodAddress.of(assignment)], settings)
    return {
        *expected(steps),
        Route(destination="0.0.0.0/0", gateway="10.0.0.1", device=enis[0].device, protocol="dhcp"),
        *(Rule(priority=priority, table=table) for priority, table in ((0, 255), (32766, 254), (32767, 253))),
    }


def eni_of(eni, subnet_cidr):
    """An ENI of EC2 as the kernel sees it."""
    place = eni.attachment.network_card_index, eni.attachment.device_index
    device = f"eth{place[1] + 10 * place[0]}"
    return DatapathEni(
        device=device,
        mac="02:00:00:00:00:00",
        address=eni.private_ip,
        subnet=subnet_cidr,
        device_number=place[1],
        network_card=place[0],
        trunk=eni.interface_type == "trunk",
    )


def kernel_documents(values):
    """The documents of a node, by the names of their files."""
    return {
        "rules.json": [rule_row(each) for each in ordered(values, Rule)],
        "routes.json": [
            *(route_row(each) for each in ordered(values, Route)),
            {"type": "local", "dst": "127.0.0.1", "dev": "lo", "table": "local", "protocol": "kernel", "scope": "host", "flags": []},
        ],
        "iptables-save.txt": save_text(values),
        "sysctl.txt": "net.ipv4.conf.all.rp_filter = 0\nnet.ipv4.conf.eth0.rp_filter = 2\nnet.ipv4.ip_forward = 1\n",
    }


def ordered(values, kind):
    return sorted((each for each in values if isinstance(each, kind)), key=lambda each: (getattr(each, "priority", 0), repr(each)))


def _host(name, cidr):
    if cidr is None:
        return {}
    address, _, length = cidr.partition("/")
    return {name: address} | ({} if length in {"32", "128"} else {f"{name}len": int(length)})


def rule_row(rule):
    row = {"priority": rule.priority, "src": "all"} | _host("src", rule.source) | _host("dst", rule.destination)
    row |= {} if rule.iif is None else {"iif": rule.iif}
    row |= {} if rule.mark is None else {"fwmark": hex(rule.mark), "fwmask": hex(rule.mask)}
    row |= {} if rule.ip_protocol is None else {"ipproto": rule.ip_protocol}
    return row | {"table": TABLES.get(rule.table, str(rule.table))}


def route_row(route):
    destination = "default" if route.destination in {"0.0.0.0/0", "::/0"} else route.destination.removesuffix("/32").removesuffix("/128")
    row = {"dst": destination}
    row |= {} if route.gateway is None else {"gateway": route.gateway}
    row |= {"dev": route.device} | ({} if route.table == 254 else {"table": TABLES.get(route.table, str(route.table))})
    row |= {} if route.protocol == "boot" else {"protocol": route.protocol}
    row |= {"scope": route.scope} if route.family == 4 and route.scope != "global" else {}
    row |= {} if route.source is None else {"prefsrc": route.source}
    row |= {} if route.family == 4 and not route.metric else {"metric": route.metric}
    return row | {"flags": []}


def rule_text(rule):
    """A line of ip rule."""
    words = [f"{rule.priority}:\tfrom {(rule.source or 'all').removesuffix('/32').removesuffix('/128')}"]
    words += [f"to {rule.destination.removesuffix('/32').removesuffix('/128')}"] if rule.destination else []
    words += [f"fwmark {rule.mark:#x}" + (f"/{rule.mask:#x}" if rule.mask != 0xFFFFFFFF else "")] if rule.mark is not None else []
    words += [f"iif {rule.iif}"] if rule.iif else []
    words += [f"ipproto {rule.ip_protocol}"] if rule.ip_protocol else []
    return " ".join([*words, f"lookup {TABLES.get(rule.table, rule.table)}"])


def route_text(route):
    """A line of ip route."""
    row = route_row(route)
    names = {"gateway": "via", "dev": "dev", "table": "table", "protocol": "proto", "scope": "scope", "prefsrc": "src", "metric": "metric"}
    return " ".join([row["dst"], *(f"{word} {row[name]}" for name, word in names.items() if name in row)])


def save_text(values, family=4):
    chains, rules = ([each for each in ordered(values, kind) if each.family == family] for kind in (XtablesChain, XtablesRule))
    lines = []
    for table in sorted({each.table for each in (*chains, *rules)}):
        built_in = dict.fromkeys(each.chain for each in rules if each.table == table)
        lines += [f"# Generated by ip{'6' if family == 6 else ''}tables-save v1.8.9", f"*{table}"]
        lines += [f":{name} ACCEPT [0:0]" for name in built_in] + [f":{each.name} - [0:0]" for each in chains if each.table == table]
        lines += [f"-A {each.chain} {each.rule}" for each in rules if each.table == table]
        lines += [f"-A {each.name} {rule}" for each in chains if each.table == table for rule in each.rules]
        lines += ["COMMIT"]
    return "\n".join([*lines, ""])

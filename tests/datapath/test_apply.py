"""Steps are carried out in a real namespace, and what they did is read back."""

import errno
import importlib.util
import itertools
import sys
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from vpcipam.datapath.values import (
    Address,
    Link,
    Mode,
    Neighbour,
    NftChain,
    NftTable,
    Route,
    Rule,
    Step,
    Sysctl,
    Veth,
    Vlan,
    XfrmPolicy,
    XfrmState,
    XtablesChain,
    XtablesRule,
    expected,
    identity,
)
from vpcipam.errors import DatapathError, InvalidArgument, MissingExtra, UnknownNamespace

HOST_VETH = Veth(name="eni0", peer="eth0", mac="02:00:00:00:00:01", peer_mac="02:00:00:00:00:02", mtu=1400)


@pytest.fixture
def host(bare_namespace):
    """A namespace with an interface `blue` that is up, and its neighbour `red` that is down."""
    made = bare_namespace("host")
    made.run("ip", "link", "add", "blue", "type", "veth", "peer", "red")
    made.run("ip", "-batch", "-", text="link set blue up\naddress add 10.0.1.2/24 dev blue\naddress add 2001:db8::2/64 dev blue nodad\n")
    return made


@pytest.fixture
def pod(bare_namespace):
    return bare_namespace("pod")


@pytest.fixture
def apply(host, pod):
    from vpcipam.datapath.apply import apply  # noqa: PLC0415 - it needs pyroute2

    return lambda *steps, **options: apply(steps, host=host.path, pod=pod.path, **options)


@pytest.fixture
def read(host):
    from vpcipam.datapath.read import read  # noqa: PLC0415 - it needs pyroute2

    return lambda namespace=host, **options: read(namespace.path, encryption=True, **options)


def step(value, mode=Mode.EXCLUSIVE, **options):
    return Step(value, mode, "a test", **options)


CHAIN = XtablesChain(table="nat", name="OURS", rules=("-d 10.0.0.0/16 -j RETURN", "-j SNAT --to-source 10.0.1.2 --random-fully"))
JUMP = XtablesRule(table="nat", chain="POSTROUTING", rule="-o eni+ -j ACCEPT")
TABLE = NftTable(
    name="ours",
    chains=(
        NftChain(name="regular", rules=("counter ip daddr 10.0.0.0/16 return", "counter ct mark set ct mark | 0x00000080")),
        NftChain(name="base", rules=('iifname "eni*" counter jump regular',), base="type nat hook prerouting priority -90; policy accept;"),
    ),
)
VALUES = {
    "address": Address(address="10.0.2.2/24", device="blue"),
    "address of a link": Address(address="169.254.172.1/32", device="blue", scope="link"),
    "IPv6 address": Address(address="2001:db8:1::2/128", device="blue"),
    "route": Route(destination="10.0.2.9/32", device="blue"),
    "route in a table": Route(destination="10.0.2.9/32", device="blue", table=10_301),
    "default route": Route(destination="0.0.0.0/0", gateway="10.0.1.1", device="blue", table=2),
    "route with a source": Route(destination="10.0.2.9/32", device="blue", source="10.0.1.2", metric=7, protocol="static"),
    "IPv6 route": Route(destination="2001:db8:2::/64", device="blue"),
    "IPv6 default route": Route(destination="::/0", gateway="2001:db8::1", device="blue", table=2),
    "rule to": Rule(priority=512, table=254, destination="10.0.1.50/32"),
    "rule from": Rule(priority=1536, table=10_301, source="10.0.1.50/32"),
    "rule of a mark": Rule(priority=1024, table=254, mark=0x80, mask=0x80, family=4),
    "rule of an interface": Rule(priority=10, table=105, iif="vlan.eth.5", family=4),
    "rule of a protocol": Rule(priority=0, table=255, source="fe80:ec2::1/128", ip_protocol="ipv6-icmp"),
    "rule for all": Rule(priority=20, table=255, family=6),
    "neighbour": Neighbour(address="169.254.1.1", mac="02:00:00:00:00:07", device="blue"),
    "IPv6 neighbour": Neighbour(address="fe80::1", mac="02:00:00:00:00:07", device="blue"),
    "chain": CHAIN,
    "IPv6 chain": attrs.evolve(CHAIN, family=6, rules=("-d fd00::/8 -j RETURN",)),
    "rule of iptables": JUMP,
    "rule of ip6tables": attrs.evolve(JUMP, family=6, table="filter", chain="FORWARD"),
    "table of nftables": TABLE,
    "policy of IPsec": XfrmPolicy(
        source="0.0.0.0/0", destination="10.0.1.80/32", direction="out", tunnel_source="10.0.1.10", tunnel_destination="10.0.1.20"
    ),
    "IPv6 policy of IPsec": XfrmPolicy(
        source="2001:db8:b::/80", destination="::/0", direction="fwd", tunnel_source="10.0.1.20", tunnel_destination="10.0.1.10"
    ),
}
EACH = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)


@EACH
def test_what_is_created_is_read_back_and_what_is_deleted_is_gone(apply, read, host, value):
    before, state = read(), host.state()
    assert apply(step(value)) == ()
    assert value in read()
    assert apply(step(value, Mode.ADD)) == ()  # it is there
    with pytest.raises(DatapathError, match=r"^step 1 of 1, exclusive .* in the host's namespace: .*EEXIST.*; something else has made it"):
        apply(step(value))
    assert apply(step(value, Mode.DELETE_ONE)) == ()
    assert (read(), host.state()) == (before, state)
    assert apply(step(value, Mode.ABSENT), step(value, Mode.ABSENT)) == ()  # it is not there
    with pytest.raises(DatapathError) as caught:
        apply(step(value, Mode.DELETE_ONE))
    assert caught.value.errno in {errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL}


FAILING = step(Link(name="missing", up=True), Mode.REPLACE)


def test_a_failure_undoes_what_was_created(apply, host):
    state = host.state()
    with pytest.raises(
        DatapathError, match=r"^step 25 of 25, replace link name=missing up=True .*ENODEV.*is the ENI attached\?$"
    ) as caught:
        apply(*map(step, VALUES.values()), FAILING)
    assert (caught.value.errno, host.state(), getattr(caught.value, "__notes__", [])) == (errno.ENODEV, state, [])


def test_a_failure_undoes_what_was_deleted(apply, read):
    apply(*map(step, VALUES.values()))
    before = read()
    deletions = [step(value, Mode.ABSENT) for value in VALUES.values()]
    with pytest.raises(DatapathError):
        apply(*deletions, FAILING)
    assert read() == before
    with pytest.raises(DatapathError):
        apply(*deletions, FAILING, undo=False)
    assert not {*VALUES.values()} & read()


CHANGES = {
    "link": (Link(name="red", mtu=1400, up=True), Link(name="red", mtu=1300, up=False)),
    "MAC": (Link(name="red", mac="02:00:00:00:00:03"), Link(name="red", mac="02:00:00:00:00:04")),
    "route": (Route(destination="10.0.2.9/32", device="blue"), Route(destination="10.0.2.9/32", device="blue", source="10.0.1.2")),
    "IPv6 route": (
        Route(destination="2001:db8:2::/64", device="blue"),
        Route(destination="2001:db8:2::/64", gateway="2001:db8::9", device="blue"),
    ),
    "neighbour": (VALUES["neighbour"], attrs.evolve(VALUES["neighbour"], mac="02:00:00:00:00:08")),
    "chain": (CHAIN, attrs.evolve(CHAIN, rules=())),
    "table": (TABLE, attrs.evolve(TABLE, chains=TABLE.chains[1:])),
    "policy": (
        VALUES["policy of IPsec"],
        attrs.evolve(VALUES["policy of IPsec"], tunnel_source="10.0.1.11"),
    ),
    "sysctl": (Sysctl(name="net/ipv4/conf/blue/rp_filter", value="2"), Sysctl(name="net/ipv4/conf/blue/rp_filter", value="1")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_replacement_changes_what_is_there_and_a_failure_changes_it_back(apply, read, change):
    def now():
        found = {identity(each): each for each in read(sysctls=["net/ipv4/conf/blue/rp_filter"])}
        return found[identity(change[0])]

    for first, second in itertools.permutations(change):
        apply(step(first, Mode.REPLACE))
        before = now()
        with pytest.raises(DatapathError):
            apply(step(second, Mode.REPLACE), FAILING)
        assert now() == before
        apply(step(second, Mode.REPLACE))
        apply(step(second, Mode.REPLACE))  # it is already so
        assert now() != before
        assert now() in expected([step(second, Mode.REPLACE)], before=[before])


def test_only_what_differs_is_set(apply, read, monkeypatch):
    from vpcipam.datapath import netlink  # noqa: PLC0415 - it needs pyroute2

    created = []
    monkeypatch.setattr(netlink, "create", lambda _, value, **__: created.append(value))
    (mac,) = {each.mac for each in read() if isinstance(each, Link) and each.name == "blue"}
    apply(step(Link(name="blue", mac=mac, mtu=1400, up=True), Mode.REPLACE), step(Link(name="blue", mac=mac), Mode.REPLACE))
    assert created == [Link(name="blue", mtu=1400)]


def test_a_veth_joins_two_namespaces_and_a_failure_removes_it(apply, read, host, pod):
    state = host.state()
    made = step(HOST_VETH, namespace="pod")
    with pytest.raises(DatapathError):
        apply(made, FAILING)
    assert host.state() == state
    apply(made)
    assert expected([made]) < read()
    assert expected([made], "pod") < read(pod)
    assert "qlen" not in host.run("ip", "link", "show", "eni0")
    apply(step(HOST_VETH, Mode.ABSENT))
    assert host.state() == state


def test_a_deleted_link_does_not_come_back(apply, read, host):
    """Its other end is gone, and nobody knows any more what it was."""
    with pytest.raises(DatapathError):
        apply(step(Link(name="blue"), Mode.ABSENT), FAILING)
    assert {each.name for each in read() if isinstance(each, Link)} == {"lo"}
    assert "blue" not in host.run("ip", "link")


def test_a_link_with_another_mac_is_not_deleted(apply, read):
    apply(step(Link(name="blue", mac="02:00:00:00:00:09"), Mode.ABSENT))
    assert "blue" in {each.name for each in read() if isinstance(each, Link)}


def test_a_deletion_matches_what_is_given(apply, read):
    rules = [Rule(priority=priority, table=table, source="10.0.1.50/32") for priority, table in ((1536, 2), (1536, 3), (1537, 2))]
    other = Rule(priority=1536, table=2, source="10.0.1.51/32")
    apply(*map(step, (*rules, other)))
    apply(step(Rule(source="10.0.1.50/32", priority=1536), Mode.DELETE_ONE))
    assert {*rules, other} & read() == {*rules[1:], other}
    apply(step(Rule(source="10.0.1.50/32"), Mode.ABSENT))
    assert {*rules, other} & read() == {other}


def test_what_a_step_did_before_it_failed_is_undone_and_what_others_delete_meanwhile_is_no_failure(apply, read, monkeypatch):
    from vpcipam.datapath import netlink  # noqa: PLC0415 - it needs pyroute2

    rules = {Rule(priority=1536, table=table, source="10.0.1.50/32") for table in (2, 3, 4)}
    deletion, delete = step(Rule(source="10.0.1.50/32"), Mode.ABSENT), netlink.delete

    def fail_at_second(number):
        calls = itertools.count(1)

        def failing(socket, value):
            if next(calls) == 2:
                raise OSError(number, "a test")
            delete(socket, value)

        return failing

    apply(*map(step, rules))
    with monkeypatch.context() as patched:
        patched.setattr(netlink, "delete", fail_at_second(errno.EBUSY))
        with pytest.raises(DatapathError, match="a test"):
            apply(deletion)
    assert rules < read()
    with monkeypatch.context() as patched:
        patched.setattr(netlink, "delete", fail_at_second(errno.ENOENT))
        apply(deletion)
    assert len(rules & read()) == 1


def test_a_step_in_the_pod_needs_its_namespace(namespaces):
    del namespaces
    from vpcipam.datapath.apply import apply  # noqa: PLC0415 - it needs pyroute2

    with pytest.raises(InvalidArgument, match=r"a step is in the pod's namespace: give its path, pod='/run/netns/blue'"):
        apply([step(HOST_VETH, namespace="pod")])


def test_tables_of_others_are_not_read_for_one_of_ours(apply, read, monkeypatch):
    from vpcipam.datapath import programs  # noqa: PLC0415 - it needs pyroute2

    apply(step(attrs.evolve(TABLE, name="foreign")), step(TABLE))
    parse = programs.parse_table

    def only_ours(text, family, name):
        assert name == TABLE.name
        return parse(text, family, name)

    with monkeypatch.context() as patched:
        patched.setattr(programs, "parse_table", only_ours)
        apply(step(TABLE, Mode.REPLACE), step(TABLE, Mode.ABSENT))
    assert attrs.evolve(TABLE, name="foreign") in read()


def test_errors_that_are_not_fatal_are_returned(apply, read):
    rule = VALUES["rule to"]
    (error,) = apply(step(rule, Mode.DELETE_ONE, fatal=False), step(rule))
    assert str(error).startswith("step 1 of 2, delete-one rule priority=512 table=254 destination=10.0.1.50/32 family=4 in the host's")
    assert rule in read()


def test_tolerated_errors_are_none(apply):
    assert apply(step(VALUES["rule to"], Mode.DELETE_ONE, tolerated=frozenset({errno.ENOENT}))) == ()


def test_a_missing_sysctl_is_named(apply, read):
    missing = Sysctl(name="net/ipv4/conf/missing/rp_filter", value="2")
    with pytest.raises(DatapathError, match=r"replace sysctl name=net/ipv4/conf/missing/rp_filter value=2 .*ENOENT"):
        apply(step(missing, Mode.REPLACE))
    assert not any(isinstance(each, Sysctl) for each in read(sysctls=[missing.name]))


def test_an_address_is_waited_for(apply, host):
    host.sysctl("net/ipv6/conf/blue/accept_dad", 1)
    host.sysctl("net/ipv6/neigh/blue/retrans_time_ms", 60_000)  # how long the detection waits for an answer
    host.link("red", state="up")
    address, waits = Address(address="2001:db8::9/128", device="blue"), []
    with pytest.raises(DatapathError, match=r"wait address address=2001:db8::9/128 .* still tentative after 10 s \(ETIMEDOUT\)"):
        apply(step(address), step(address, Mode.WAIT), sleep=waits.append)
    assert waits == [0.05] * 200
    assert apply(step(attrs.evolve(VALUES["address"])), step(VALUES["address"], Mode.WAIT)) == ()  # IPv4 has no such detection
    with pytest.raises(DatapathError, match="EADDRNOTAVAIL"):
        apply(step(address, Mode.WAIT))


def test_an_address_that_another_host_has_is_an_error(namespaces):
    del namespaces
    from vpcipam.datapath import netlink  # noqa: PLC0415 - it needs pyroute2

    class Answers:
        def link(self, _, ifname):
            return [{"index": 1, "name": ifname}]

        def addr(self, _, **of):
            return [{"IFA_ADDRESS": "2001:db8::9", "IFA_FLAGS": 0x48, **of}]

    with pytest.raises(OSError, match="found it elsewhere"):
        netlink.settled(Answers(), Address(address="2001:db8::9/128", device="blue"))


def test_what_can_not_be_undone_is_noted(apply):
    route = Route(destination="10.0.1.0/24", source="10.0.1.2", device="blue", protocol="kernel")
    down = step(Link(name="blue"), Mode.ABSENT)
    with pytest.raises(DatapathError) as caught:
        apply(step(route, Mode.DELETE_ONE), down, FAILING)
    (note,) = caught.value.__notes__
    assert note.startswith("not undone, add route destination=10.0.1.0/24")


STATE = XfrmState(source="10.0.1.10", destination="10.0.1.20", spi=0x100010A, encryption_key=b"\x11" * 32, authentication_key=b"\x22" * 32)


def test_encryption_needs_its_module_and_no_error_shows_a_key(apply, read):
    try:
        apply(step(STATE))
    except DatapathError as error:
        assert error.errno == errno.EOPNOTSUPP  # noqa: PT017 - some kernels have it
        assert str(error).startswith("step 1 of 1, exclusive xfrmstate source=10.0.1.10 destination=10.0.1.20 spi=16777482 in the host's")  # noqa: PT017 - likewise
        assert "_key" not in str(error)  # noqa: PT017 - likewise
        assert repr(STATE.encryption_key)[2:-1] not in str(error)  # noqa: PT017 - likewise
        assert "or esp4 for encryption" in str(error)  # noqa: PT017 - likewise
    else:
        assert STATE in read()
        changed = attrs.evolve(STATE, encryption_key=b"\x33" * 32)
        apply(step(changed, Mode.REPLACE))
        assert {STATE, changed} & read() == {changed}
        apply(step(changed, Mode.ABSENT))
        assert not any(isinstance(each, XfrmState) for each in read())


def test_a_vlan_needs_its_module(apply, read):
    vlan = Vlan(name="vlan.eth.5", parent="blue", vlan_id=5, mac="02:00:00:00:00:05", mtu=1500)
    try:
        apply(step(vlan))
    except DatapathError as error:
        assert error.errno == errno.EOPNOTSUPP  # noqa: PT017 - some kernels have it
        assert str(error).endswith("the kernel lacks it: load the module, such as 8021q for VLANs or esp4 for encryption")  # noqa: PT017 - likewise
    else:
        assert "vlan.eth.5" in {each.name for each in read() if isinstance(each, Link)}


def test_a_rule_that_iptables_refuses_is_named(apply, host):
    state = host.state()
    with pytest.raises(DatapathError, match=r"iptables: .*unknown option.*--nonsense") as caught:
        apply(step(CHAIN), step(XtablesRule(table="nat", chain="POSTROUTING", rule="--nonsense")))
    assert (caught.value.errno, host.state()) == (errno.EINVAL, state)


def test_all_copies_of_a_rule_of_iptables_are_deleted(apply, host):
    state = host.state()
    for _ in range(3):
        host.run("iptables", "-w", "-t", "nat", "-A", "POSTROUTING", *JUMP.rule.split())
    apply(step(JUMP, Mode.DELETE_ONE))
    assert host.run("iptables", "-w", "-t", "nat", "-S", "POSTROUTING").count("eni+") == 2
    apply(step(JUMP, Mode.ABSENT))
    assert host.state() == state


def test_a_jump_to_a_chain_that_is_not_there_is_not_there_either(apply):
    jump = XtablesRule(table="nat", chain="POSTROUTING", rule="-j OURS")
    assert apply(step(jump, Mode.ABSENT)) == ()
    with pytest.raises(DatapathError, match="OURS"):
        apply(step(jump))


def test_a_chain_is_replaced_alone(apply, host):
    foreign = attrs.evolve(CHAIN, name="FOREIGN")
    apply(step(foreign), step(JUMP))
    state = host.state()
    apply(step(CHAIN), step(attrs.evolve(CHAIN, rules=()), Mode.REPLACE), step(CHAIN, Mode.DELETE_ONE))
    assert host.state() == state


def test_what_was_done_last_is_undone_first(apply, host):
    """A chain that a rule jumps to can't be deleted."""
    state = host.state()
    with pytest.raises(DatapathError) as caught:
        apply(step(CHAIN), step(XtablesRule(table="nat", chain="POSTROUTING", rule="-j OURS")), FAILING)
    assert (getattr(caught.value, "__notes__", []), host.state()) == ([], state)


def test_a_chain_in_use_is_not_deleted(apply, read):
    jump = XtablesRule(table="nat", chain="POSTROUTING", rule="-j OURS")
    apply(step(CHAIN), step(jump))
    with pytest.raises(DatapathError) as caught:
        apply(step(CHAIN, Mode.ABSENT))
    assert caught.value.errno == errno.EBUSY
    assert {CHAIN, jump} < read()


def test_a_kernel_setting_is_not_deleted(apply):
    with pytest.raises(DatapathError, match="can be changed, but not deleted"):
        apply(step(Sysctl(name="net/ipv4/conf/blue/rp_filter", value="0"), Mode.ABSENT))


def test_filters_are_left_out_on_request(apply, read):
    apply(step(CHAIN), step(TABLE))
    assert read() - read(filters=False) == {CHAIN, TABLE}


def test_a_program_that_refuses_is_named(apply, read, monkeypatch, tmp_path):
    program = tmp_path / "iptables-save"
    program.write_text("#!/bin/sh\necho 'Permission denied (you must be root)' >&2\nexit 4\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(DatapathError, match=r"iptables-save: Permission denied \(you must be root\) \(EPERM\); run as root"):
        apply(step(CHAIN))
    with pytest.raises(DatapathError, match=r"can't be read: iptables-save: Permission denied \(you must be root\); run as root$"):
        read()


def test_whatever_goes_wrong_is_undone(apply, host, monkeypatch, tmp_path):
    program = tmp_path / "iptables-save"
    program.write_text("#!/bin/sh\necho something else\n")
    program.chmod(0o755)
    state = host.state()
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(tmp_path), prepend=":")
        with pytest.raises(DatapathError, match=r"^step 2 of 2, exclusive xtableschain .*not one of iptables-save"):
            apply(step(VALUES["rule to"]), step(CHAIN))
    assert host.state() == state


def test_pods_can_be_connected_at_the_same_time(read, host, bare_namespace):
    from vpcipam.datapath.apply import apply  # noqa: PLC0415 - it needs pyroute2

    pods = [bare_namespace(f"pod-{number}") for number in range(4)]
    veths = [attrs.evolve(HOST_VETH, name=f"eni{number}", mac=f"02:00:00:00:01:0{number}") for number in range(4)]
    rules = [Rule(priority=512, table=254, destination=f"10.0.1.{number}/32") for number in range(4)]

    def connect(number):
        return apply([step(veths[number], namespace="pod"), step(rules[number])], host=host.path, pod=pods[number].path)

    with ThreadPoolExecutor() as threads:
        assert [*threads.map(connect, range(4))] == [()] * 4
    assert {*rules, *(Link(name=veth.name, mac=veth.mac, mtu=veth.mtu, up=False) for veth in veths)} < read()


def test_a_program_that_is_missing_is_named(apply, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DatapathError, match=r"iptables-save is not installed: install iproute2, iptables and nftables$"):
        apply(step(CHAIN))


@pytest.mark.parametrize(
    ("path", "message"),
    [("/nowhere/blue", "/nowhere/blue can't be opened: No such file"), ("/dev/null", "is that of something else: Invalid argument")],
)
def test_a_path_that_is_no_namespace_is_refused(namespaces, path, message):
    del namespaces
    from vpcipam.datapath.apply import apply  # noqa: PLC0415 - it needs pyroute2
    from vpcipam.datapath.read import read  # noqa: PLC0415 - it needs pyroute2

    for call in (lambda: apply([step(VALUES["rule to"])], host=path), lambda: read(path)):
        with pytest.raises(UnknownNamespace, match=message):
            call()


def test_without_the_privilege_the_error_says_so(namespaces, monkeypatch):
    del namespaces
    import vpcipam.datapath.namespaces  # noqa: PLC0415
    from vpcipam.datapath.apply import apply  # noqa: PLC0415 - it needs pyroute2
    from vpcipam.datapath.read import read  # noqa: PLC0415 - it needs pyroute2

    def refuse(*_):
        ctypes.set_errno(errno.EPERM)
        return -1

    ctypes = vpcipam.datapath.namespaces.ctypes
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: type("Libc", (), {"setns": staticmethod(refuse)}))
    for call in (lambda: apply([step(VALUES["rule to"])]), read):
        with pytest.raises(
            DatapathError, match=r"^network namespaces can't be entered: run as root, or with CAP_SYS_ADMIN and CAP_NET_ADMIN$"
        ):
            call()


def test_without_pyroute2_the_extra_is_named(monkeypatch):
    spec = importlib.util.find_spec("vpcipam.datapath.netlink")
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    with pytest.raises(MissingExtra, match=r"^the kernel is reached by the package pyroute2: pip install 'vpcipam\[datapath\]'$"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_foreign_things_are_not_mistaken_for_ours(host, read):
    before = read()
    selectors = ("oif blue", "tos 0x10", "realms 3", "sport 80", "suppress_prefixlength 0", "suppress_ifgroup 3", "uidrange 0-0")
    rules = [f"from 10.0.1.{number} {each} lookup 2" for number, each in enumerate(selectors, 50)]
    others = (
        *(f"rule add {each} prio 1536" for each in (*rules, "not from 10.0.1.60 lookup 2", "from 10.0.1.61 blackhole")),
        "route add blackhole 10.9.0.0/16",
        "route add 10.8.0.0/16 nexthop via 10.0.1.7 dev blue nexthop via 10.0.1.8 dev blue",
        "neighbour add 10.0.1.9 lladdr 02:00:00:00:00:09 dev blue nud reachable",
    )
    host.run("ip", "-batch", "-", text="\n".join(others))
    assert read() == before

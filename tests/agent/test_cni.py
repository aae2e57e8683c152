"""The plugin: what it accepts, what it asks the agent, and what it prints, for every verb and version. The agent is a function here."""

import errno
import itertools
import json
import os
from pathlib import Path

import pytest

from vpcipam.agent import cni, wire
from vpcipam.agent.notes import notes
from waiting import pipe_without_writer

VERBS = ("ADD", "CHECK", "DEL", "GC", "STATUS")
NEEDS = {
    "ADD": {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"},
    "CHECK": {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"},
    "DEL": {"CNI_CONTAINERID", "CNI_IFNAME"},
    "GC": set(),
    "STATUS": set(),
}
FIRST = {"GC": "1.1.0", "STATUS": "1.1.0"}
WHOLE = {"address": "10.0.1.5", "host_name": "eni1", "host_mac": "02:00:00:00:00:01", "pod_name": "eth0", "pod_mac": "02:00:00:00:00:02"}
ATTACHMENT = WHOLE | {"mtu": 9001}
SIXTH = ATTACHMENT | {"address": "2001:db8::5", "host_name": "eni2", "pod_name": "mNicIf1"}
ANSWERS = {"ADD": {"attachments": [ATTACHMENT]}, "CHECK": {"addresses": ["10.0.1.5"]}, "DEL": {}, "GC": {}, "STATUS": {}}


def prev_result(version="1.1.0"):
    family = {"version": "4"} if version == "0.4.0" else {}
    return {
        "cniVersion": version,
        "interfaces": [{"name": "eth0", "sandbox": "x"}],
        "ips": [family | {"address": "10.0.1.5/32"}],
        "dns": {},
    }


class Runtime:
    """A container runtime: calls the plugin, and plays the agent."""

    def __init__(self, folder, netns):
        self.folder = folder
        self.netns = netns
        self.answers = dict(ANSWERS)
        self.requests = []
        self.unreachable = 0

    def ask(self, folder, request, *, netns=None, timeout_s=wire.ANSWER_TIMEOUT_S):
        assert folder == str(self.folder)
        assert timeout_s <= wire.ANSWER_TIMEOUT_S
        request = wire.decode(wire.encode(request))
        self.requests.append(request | ({} if netns is None else {"netns": os.fstat(netns).st_ino}))
        if self.unreachable:
            self.unreachable -= 1
            raise wire.AgentUnreachable("no agent answers")
        return self.answers[request["verb"]]

    def environment(self, verb, **changes):
        made = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": "c1",
            "CNI_NETNS": str(self.netns),
            "CNI_IFNAME": "eth0",
            "CNI_PATH": "/opt/cni/bin",
        }
        return {name: value for name, value in (made | changes).items() if value is not None}

    def config(self, verb, version="1.1.0", **changes):
        made = {"cniVersion": version, "name": "pods", "type": "vpcipam-cni", "stateFolder": str(self.folder)}
        if verb == "CHECK":
            made["prevResult"] = prev_result(version)
        if verb == "GC":
            made["cni.dev/valid-attachments"] = [{"containerID": "c1", "ifname": "eth0"}]
        return {name: value for name, value in (made | changes).items() if value is not ...}

    def call(self, verb, version="1.1.0", *, environment=None, stdin=None, **config):
        """Call the plugin; return what it printed as JSON (None for nothing), and its exit code."""
        data = json.dumps(self.config(verb, version, **config)).encode() if stdin is None else stdin
        out, code = cni.run(self.environment(verb, **(environment or {})), lambda: data, self.ask)
        assert out == "" or out.endswith("}\n")
        return (json.loads(out) if out else None), code

    def error(self, *args, **options):
        """Call the plugin, which must fail; return the code of its error."""
        document, code = self.call(*args, **options)
        assert code == 1
        assert set(document) == {"cniVersion", "code", "msg", "details"}
        assert document["msg"]
        return document["code"]


@pytest.fixture
def runtime(tmp_path):
    netns = tmp_path / "netns"
    netns.touch()
    return Runtime(tmp_path / "state", netns)


# --- verbs, versions, variables ------------------------------------------------------------------------------------------


def test_version_needs_nothing_else():
    out, code = cni.run({"CNI_COMMAND": "VERSION"}, lambda: pytest.fail("it reads no configuration"))
    assert (json.loads(out), code) == ({"cniVersion": "1.1.0", "supportedVersions": ["0.4.0", "1.0.0", "1.1.0"]}, 0)


def test_without_a_command_it_says_what_it_is(capsys):
    assert cni.run({}, lambda: pytest.fail("it reads no configuration")) == ("", 0)
    assert "CNI protocol versions supported: 0.4.0, 1.0.0, 1.1.0" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0", "0.3.0", "0.3.1", *cni.VERSIONS, "1.2.0", "2.0.0", "", "1.1", "newest"])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_in_every_version(runtime, verb, version):
    if version in cni.VERSIONS and version >= FIRST.get(verb, version):
        document, code = runtime.call(verb, version)
        assert code == 0
        assert (document is None) == (verb != "ADD")
        assert [each["verb"] for each in runtime.requests] == [verb]
    else:
        assert runtime.error(verb, version) == cni.VERSION_ERROR
        assert runtime.requests == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_configuration_without_a_version_has_the_first_one(runtime, verb):
    assert runtime.error(verb, cniVersion=...) == cni.VERSION_ERROR
    assert runtime.error(verb, cniVersion=1) == cni.DECODE_ERROR


VARIABLES = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH")  # no verb needs the last
SUBSETS = [subset for count in range(len(VARIABLES) + 1) for subset in itertools.combinations(VARIABLES, count)]


@pytest.mark.parametrize("missing", SUBSETS, ids="+".join)
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_without_each_variable(runtime, verb, missing):
    lacking = [name for name in missing if name in NEEDS[verb]]
    for empty in (None, ""):
        document, code = runtime.call(verb, environment=dict.fromkeys(missing, empty))
        assert code == bool(lacking)
        if lacking:
            assert document["code"] == cni.ENVIRONMENT_ERROR
            assert document["msg"] == f"required env variables [{','.join(lacking)}] missing"
            assert runtime.requests == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_container_id_has_few_characters(runtime, verb):
    for container_id in ["-c1", ".c1", "_c", "c 1", "c/1", "c:1", "é", "c1\n", "\udc80", "c" * 119]:
        document, code = runtime.call(verb, environment={"CNI_CONTAINERID": container_id})
        assert code == ("CNI_CONTAINERID" in NEEDS[verb])
        assert not code or document["code"] == cni.ENVIRONMENT_ERROR


@pytest.mark.parametrize("verb", VERBS)
def test_an_interface_has_a_name_that_the_kernel_takes(runtime, verb):
    for if_name in [".", "..", "a/b", "a:b", "a b", "a\tb", "sixteen-letters-", "éééééééé"]:
        document, code = runtime.call(verb, environment={"CNI_IFNAME": if_name})
        assert code == ("CNI_IFNAME" in NEEDS[verb])
        assert not code or document["code"] == cni.ENVIRONMENT_ERROR


def test_names_at_their_limits_are_taken(runtime):
    key = "A_.-9" + "n" * 113, "0_.-a" + "c" * 113, "fifteen-letters"
    environment = {"CNI_CONTAINERID": key[1], "CNI_IFNAME": key[2]}
    assert runtime.call("ADD", environment=environment, name=key[0])[1] == 0
    assert runtime.requests[0]["key"] == [*key]
    runtime.unreachable = 1
    assert runtime.call("DEL", environment=environment, name=key[0]) == (None, 0)
    assert [*notes(str(runtime.folder))] == [key]


@pytest.mark.parametrize("command", ["add", "LIST", "UPDATE", " ADD"])
def test_another_command_is_refused(runtime, command):
    assert runtime.error(command) == cni.ENVIRONMENT_ERROR


# --- the configuration ---------------------------------------------------------------------------------------------------

NOT_JSON = [b"", b"{", b"\xff", b"nonsense", b"[" * 100_000, b'{"name": "pods"} {}', b" " * (cni.STDIN_LIMIT + 1)]
NO_OBJECT = [b"null", b"[]", b'"text"', b"1", b"true"]


@pytest.mark.parametrize("verb", [*VERBS, "OTHER"])
def test_stdin_must_be_a_json_object(runtime, verb):
    for stdin in (*NOT_JSON, *NO_OBJECT):
        assert runtime.error(verb, stdin=stdin) == cni.DECODE_ERROR
    assert runtime.requests == []


@pytest.mark.parametrize("verb", VERBS)
def test_stdin_that_fails_is_an_io_error(runtime, verb):
    def fail():
        raise OSError(errno.EIO, "broken")

    out, code = cni.run(runtime.environment(verb), fail, runtime.ask)
    assert (json.loads(out)["code"], code) == (cni.IO_ERROR, 1)


@pytest.mark.parametrize("verb", VERBS)
def test_a_network_has_a_name_of_few_characters(runtime, verb):
    for name in (..., "", None, 5, "-pods", "a/b", "a b", "pods\n", "\ud800", "p" * 119):
        assert runtime.error(verb, name=name) == cni.CONFIG_ERROR


@pytest.mark.parametrize("verb", VERBS)
def test_the_folder_is_an_absolute_path(runtime, verb):
    for folder in ("", "run", 5, None, "/run/\0", "/run/\ud800"):
        assert runtime.error(verb, stateFolder=folder) == cni.CONFIG_ERROR


def test_the_folder_has_a_default():
    seen = []
    environment = {"CNI_COMMAND": "STATUS", "CNI_PATH": "/opt/cni/bin"}
    stdin = b'{"cniVersion": "1.1.0", "name": "pods"}'
    assert cni.run(environment, lambda: stdin, lambda folder, _, **__: seen.append(folder) or {}) == ("", 0)
    assert seen == ["/run/vpcipam"]


# --- CNI_ARGS ------------------------------------------------------------------------------------------------------------

KUBELET = "K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_NAME=web-0;IgnoreUnknown=1;K8S_POD_UID=u1;K8S_POD_NAMESPACE=default"


@pytest.mark.parametrize(
    ("arguments", "pod"),
    [
        (None, ["", ""]),
        ("", ["", ""]),
        (KUBELET, ["default", "web-0"]),
        ("IgnoreUnknown=1;K8S_POD_NAME=busy", ["", "busy"]),
        ("IgnoreUnknown=true;FOO=BAR;K8S_POD_NAME=web-0;K8S_POD_NAMESPACE=", ["", "web-0"]),
    ],
)
def test_the_arguments_name_the_pod(runtime, arguments, pod):
    assert runtime.call("ADD", environment={"CNI_ARGS": arguments})[1] == 0
    assert runtime.requests[0]["pod"] == pod


@pytest.mark.parametrize(
    "arguments", ["FOO=BAR", "FOO=BAR;IgnoreUnknown=0", "K8S_POD_NAME", "A=B=C;IgnoreUnknown=1", ";", "K8S_POD_NAME=\udc80"]
)
@pytest.mark.parametrize("verb", ["ADD", "CHECK"])
def test_arguments_that_make_no_sense_are_refused(runtime, verb, arguments):
    assert runtime.error(verb, environment={"CNI_ARGS": arguments}) == cni.ENVIRONMENT_ERROR
    assert runtime.requests == []


def test_a_deletion_does_not_look_at_the_arguments(runtime):
    assert runtime.call("DEL", environment={"CNI_ARGS": ";;nonsense"}) == (None, 0)


@pytest.mark.parametrize(
    ("runtime_config", "wanted"),
    [
        (..., False),
        ({"io.kubernetes.cri.pod-annotations": {"k8s.amazonaws.com/nicConfig": "multi-nic-attachment"}}, True),
        ({"io.kubernetes.cri.pod-annotations": {"k8s.amazonaws.com/nicConfig": "other"}}, False),
        ({"io.kubernetes.cri.pod-annotations": None}, False),
        ([], False),
    ],
)
def test_an_annotation_asks_for_every_card(runtime, runtime_config, wanted):
    assert runtime.call("ADD", runtimeConfig=runtime_config)[1] == 0
    assert runtime.requests[0]["every_card"] is wanted


# --- results -------------------------------------------------------------------------------------------------------------


def test_the_result_has_real_macs_and_the_form_of_its_version(runtime):
    runtime.answers["ADD"] = {"attachments": [ATTACHMENT, SIXTH]}
    host, pod = {"name": "eni1", "mac": "02:00:00:00:00:01"}, {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": str(runtime.netns)}
    for version in cni.VERSIONS:
        mtu = {"mtu": 9001} if version == "1.1.0" else {}
        four, six = ({"version": "4"}, {"version": "6"}) if version == "0.4.0" else ({}, {})
        assert runtime.call("ADD", version)[0] == {
            "cniVersion": version,
            "interfaces": [host | mtu, pod | mtu, host | {"name": "eni2"} | mtu, pod | {"name": "mNicIf1"} | mtu],
            "ips": [four | {"address": "10.0.1.5/32", "interface": 1}, six | {"address": "2001:db8::5/128", "interface": 3}],
            "dns": {},
        }


def test_the_result_of_earlier_plugins_is_passed_on(runtime):
    before = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "lo"}],
        "ips": [{"address": "127.0.0.1/8", "interface": 0}],
        "routes": [{"dst": "192.0.2.0/24"}],
        "dns": {"nameservers": ["192.0.2.53"]},
    }
    document, _ = runtime.call("ADD", "1.0.0", prevResult=before)
    assert document["ips"] == [{"address": "127.0.0.1/8", "interface": 0}, {"address": "10.0.1.5/32", "interface": 2}]
    assert [each["name"] for each in document["interfaces"]] == ["lo", "eni1", "eth0"]
    assert (document["routes"], document["dns"]) == (before["routes"], before["dns"])


@pytest.mark.parametrize("previous", ["text", [], 5, {"ips": "10.0.1.5"}, {"ips": ["10.0.1.5"]}, {"interfaces": {}, "ips": [1]}])
@pytest.mark.parametrize("verb", ["ADD", "CHECK"])
def test_a_previous_result_that_is_unreadable_is_refused(runtime, verb, previous):
    assert runtime.error(verb, prevResult=previous) == cni.DECODE_ERROR


def test_errors_of_the_agent_are_printed(runtime):
    for verb in VERBS:
        runtime.answers[verb] = {"error": {"code": 11, "msg": "no address is free", "details": "3 cool"}}
        version = FIRST.get(verb, "0.4.0")
        document, code = runtime.call(verb, version)
        assert code == 1
        assert document == {"cniVersion": version, "code": 11, "msg": "no address is free", "details": "3 cool"}


def test_an_answer_that_is_unreadable_is_an_internal_error(runtime, monkeypatch):
    def garble(*_, **__):
        raise wire.MessageError("a message is not JSON")

    monkeypatch.setattr(runtime, "ask", garble)
    assert {runtime.error(verb) for verb in VERBS} == {cni.INTERNAL_ERROR}


@pytest.mark.parametrize("answer", [{"attachments": [{}]}, {"attachments": 5}, {"error": {}}, {"error": "text"}])
def test_an_answer_without_what_it_needs_gives_no_traceback(runtime, answer):
    runtime.answers["ADD"] = answer
    assert runtime.error("ADD") == cni.INTERNAL_ERROR


# --- the namespace -------------------------------------------------------------------------------------------------------


def test_the_agent_gets_the_namespace_as_an_open_file(runtime):
    for verb in ("ADD", "CHECK"):
        assert runtime.call(verb)[1] == 0
        assert runtime.requests.pop()["netns"] == runtime.netns.stat().st_ino


@pytest.mark.parametrize("verb", ["ADD", "CHECK"])
def test_a_namespace_that_is_gone_is_an_error(runtime, verb):
    assert runtime.error(verb, environment={"CNI_NETNS": str(runtime.netns / "gone")}) == cni.NETNS_ERROR


def test_a_namespace_that_is_a_pipe_is_not_waited_for(runtime, tmp_path):
    """Nobody writes to it. The agent says that it is none."""
    with pipe_without_writer(tmp_path / "pipe") as pipe:
        assert runtime.call("ADD", environment={"CNI_NETNS": pipe})[1] == 0


OWN = "/proc/self/ns/net"


@pytest.mark.parametrize("verb", ["ADD", "CHECK"])
@pytest.mark.skipif(not Path(OWN).exists(), reason="this system has no network namespaces")
def test_the_host_is_no_pod(runtime, verb):
    assert runtime.error(verb, environment={"CNI_NETNS": OWN}) == cni.NETNS_ERROR
    assert runtime.requests == []
    for override in ("1", "true", "TRUE"):
        assert runtime.call(verb, environment={"CNI_NETNS": OWN, "CNI_NETNS_OVERRIDE": override})[1] == 0
    assert runtime.error(verb, environment={"CNI_NETNS": OWN, "CNI_NETNS_OVERRIDE": "0"}) == cni.NETNS_ERROR


def test_without_proc_every_namespace_is_a_pods(runtime, monkeypatch):
    def missing(_):
        raise FileNotFoundError

    monkeypatch.setattr(os, "stat", missing)
    assert runtime.call("ADD", environment={"CNI_NETNS": os.devnull})[1] == 0


def test_a_deletion_does_not_look_at_the_namespace(runtime):
    for netns in (OWN, "/gone", "", None):
        assert runtime.call("DEL", environment={"CNI_NETNS": netns}) == (None, 0)


# --- CHECK, GC -----------------------------------------------------------------------------------------------------------


def test_a_check_needs_the_result(runtime):
    assert runtime.error("CHECK", prevResult=...) == cni.CONFIG_ERROR


def test_a_check_compares_the_result_with_what_the_agent_has(runtime):
    assert runtime.call("CHECK", prevResult=prev_result() | {"ips": [{"address": "10.0.1.5/32"}, {"address": "192.0.2.1/24"}]}) == (None, 0)
    assert runtime.error("CHECK", prevResult=prev_result() | {"ips": [{"address": "10.0.1.6/32"}]}) == cni.NOT_AS_EXPECTED
    assert runtime.error("CHECK", prevResult={"cniVersion": "1.1.0"}) == cni.NOT_AS_EXPECTED
    assert runtime.error("CHECK", prevResult={"ips": [{"address": []}]}) == cni.NOT_AS_EXPECTED


def test_gc_passes_the_valid_attachments_on(runtime):
    runtime.call("GC")
    assert runtime.requests == [{"verb": "GC", "network": "pods", "valid": [["c1", "eth0"]]}]
    for empty in ({"cni.dev/valid-attachments": []}, {"cni.dev/valid-attachments": None}):
        assert runtime.call("GC", **empty) == (None, 0)
        assert runtime.requests.pop()["valid"] == []


def test_gc_also_takes_the_older_name_of_the_list(runtime):
    older = {"cni.dev/valid-attachments": ..., "cni.dev/attachments": [{"containerID": "c2", "ifname": "eth1"}]}
    assert runtime.call("GC", **older) == (None, 0)
    assert runtime.requests[0]["valid"] == [["c2", "eth1"]]


def test_gc_without_a_list_does_not_delete_everything(runtime):
    assert runtime.error("GC", **{"cni.dev/valid-attachments": ...}) == cni.CONFIG_ERROR
    for unreadable in (5, "text", [1], [{"containerID": "c1"}], False, 0, "", {}, [["containerID", "ifname"]]):
        assert runtime.error("GC", **{"cni.dev/valid-attachments": unreadable}) == cni.DECODE_ERROR
    assert runtime.requests == []


# --- without an agent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "code"), [("ADD", cni.TRY_AGAIN), ("CHECK", cni.TRY_AGAIN), ("GC", 50), ("STATUS", 50)])
def test_without_an_agent_all_but_a_deletion_fail(runtime, verb, code):
    runtime.unreachable = 1
    assert runtime.error(verb) == code


def test_without_an_agent_a_deletion_leaves_a_note_and_succeeds(runtime):
    for _ in range(2):
        runtime.unreachable = 1
        assert runtime.call("DEL") == (None, 0)
        assert [*notes(str(runtime.folder))] == [("pods", "c1", "eth0")]


def test_a_deletion_fails_if_it_can_neither_be_done_nor_noted(runtime):
    runtime.folder.write_text("a file where the folder should be")
    runtime.unreachable = 1
    assert runtime.error("DEL") == cni.IO_ERROR


# --- the process ---------------------------------------------------------------------------------------------------------


def test_the_process_reads_stdin_and_prints(monkeypatch, capsysbinary):
    monkeypatch.setenv("CNI_COMMAND", "VERSION")
    assert cni.main() == 0
    assert json.loads(capsysbinary.readouterr().out)["cniVersion"] == "1.1.0"


def test_a_runtime_that_stops_reading_gets_no_traceback(monkeypatch, tmp_path):
    class Closed:
        def __init__(self):
            self.file = (tmp_path / "out").open("w")

        def write(self, _):
            raise BrokenPipeError

        def fileno(self):
            return self.file.fileno()

    closed = Closed()
    monkeypatch.setenv("CNI_COMMAND", "VERSION")
    monkeypatch.setattr("sys.stdout", closed)
    assert cni.main() == 1
    closed.file.close()

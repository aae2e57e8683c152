"""`vpcipam inspect FILE…`: what it shows of files, and how it refuses them."""

import gzip
import io
import json
import tarfile

import pytest

ENIS = {
    "0": {
        "TotalIPs": 2,
        "AssignedIPs": 1,
        "ENIs": {
            "eni-1": {
                "ID": "eni-1",
                "IsPrimary": True,
                "IsTrunk": False,
                "IsEFA": False,
                "DeviceNumber": 0,
                "RouteTableID": 254,
                "SubnetID": "subnet-1",
                "IsExcludedForPodIPs": False,
                "IPv6Cidrs": {},
                "AvailableIPv4Cidrs": {
                    "10.0.0.5/32": {
                        "IsPrefix": False,
                        "IPAddresses": {
                            "10.0.0.5": {
                                "Address": "10.0.0.5",
                                "IPAMKey": {"networkName": "aws-cni", "containerID": "", "ifName": ""},
                                "IPAMMetadata": {"k8sPodNamespace": "default", "k8sPodName": "web-1"},
                                "AssignedTime": "2026-03-01T10:00:00Z",
                                "UnassignedTime": "0001-01-01T00:00:00Z",
                            }
                        },
                    },
                    "10.0.0.6/32": {"IsPrefix": False, "IPAddresses": {}},
                },
            }
        },
    }
}
CHECKPOINT = (
    '{"version":"vpc-cni-ipam/1","allocations":[{"networkName":"aws-cni","containerID":"c1","ifName":"eth0","ipv4":"10.0.0.5",'
    '"allocationTimestamp":7,"metadata":{"k8sPodNamespace":"default","k8sPodName":"web-1","interfacesCount":1}}]}'
)
NODE = {
    "kind": "Node",
    "metadata": {"name": "node-1", "labels": {"node.kubernetes.io/instance-type": "m5.large"}},
    "spec": {"unschedulable": True},
    "status": {"capacity": {"pods": "29"}},
}


@pytest.fixture
def written(tmp_path):
    """A function that writes a file and returns its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else (content if isinstance(content, str) else json.dumps(content)).encode())
        return str(path)

    return write


def test_files_are_shown_with_their_releases_and_what_they_have(cli, written):
    answer = cli("inspect", written("a", ENIS), written("b", NODE))
    assert (answer.code, answer.err) == (0, "")
    text = " ".join(answer.out.split())
    assert "from v1.23.0" in text
    assert "Node objects of Kubernetes" in text
    assert "node-1 m5.large 29 cordoned" in text
    assert "0 0 eni-1 2 1 1 primary" in text
    assert "1 address is held by sandboxes. 1 of them: no document names the sandbox." in text
    assert "Never in ipamd's ENIs (/v1/enis):" in text
    assert "No rule is broken" not in answer.out


def test_a_checkpoint_names_the_sandboxes(cli, written):
    document = cli("inspect", written("a", ENIS), written("b", CHECKPOINT), "--json").document
    (held,) = document["held_addresses"]
    assert held["key"] == {"network_name": "aws-cni", "container_id": "c1", "if_name": "eth0"}
    assert held["eni_id"] == "eni-1"
    assert [each["file"].rsplit("/", 1)[-1] for each in held["sources"]] == ["a", "b"]
    assert document["found"] == {"cards": 1, "enis": 1, "allocations": 1}
    assert document["documents"][0]["releases"] == {"since": "v1.23.0", "before": ""}
    assert {each["kind"] for each in document["cannot_show"]} == {"ipamd's ENIs (/v1/enis)", "ipamd's checkpoint (ipam.json)"}


def test_settings_are_written_as_variables(cli, written):
    document = cli("inspect", written("a", {"env": [{"name": "WARM_IP_TARGET", "value": "2"}]}), "--json").document
    (fact,) = document["facts"]["settings"]
    assert fact["value"]["variables"]["WARM_IP_TARGET"] == "2"


def test_stdin_may_be_packed(cli):
    answer = cli("inspect", "-", "--json", stdin=gzip.compress(json.dumps(ENIS).encode()))
    assert answer.document["facts"]["enis"][0]["source"]["file"] == "stdin"


def test_a_bundle_is_read_without_unpacking(cli, written):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, text in (("ipamd/enis.json", json.dumps(ENIS)), ("ipamd/ipam.json", CHECKPOINT)):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    document = cli("inspect", written("bundle", archive.getvalue()), "--json").document
    assert document["held_addresses"][0]["key"]["container_id"] == "c1"


def test_skipped_parts_are_listed_with_their_places(cli, written):
    answer = cli("inspect", written("a", "$ curl localhost\n" + json.dumps(ENIS) + "\n$ exit"))
    text = " ".join(answer.out.split())
    assert "2 parts were not read:" in text
    assert "a, line 3 $ exit: is no JSON" in text


def test_long_lists_are_shortened_and_json_has_all(cli, written):
    nodes = {"kind": "List", "items": [NODE | {"metadata": {"name": f"node-{number}"}} for number in range(40)]}
    path = written("a", nodes)
    assert "… and 10 more; --json has them all" in cli("inspect", path).out
    assert len(cli("inspect", path, "--json").document["facts"]["nodes"]) == 40


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_file_that_nothing_recognises_is_refused_with_the_reason(cli, written, options):
    refusal = cli("inspect", written("a", "hello"), *options).refusal
    assert refusal.endswith("line 1: hello: is no JSON; docs/inspecting.md lists what can be read")


def test_an_empty_folder_is_refused(cli, tmp_path):
    assert "is recognised; docs/inspecting.md" in cli("inspect", str(tmp_path)).refusal


def test_a_missing_file_is_refused(cli):
    assert cli("inspect", "nowhere").refusal == "can't read nowhere: there is no such file"


def test_the_extras_of_a_dict_of_python_are_read(cli, written):
    answer = cli("inspect", written("a", repr(ENIS)))
    assert "is Python's word" in " ".join(answer.out.split())
    assert "eni-1" in answer.out


# --- the order of findings, and those that say the same ----------------------------------------------------------------------


def test_what_says_the_same_of_several_nodes_is_one_paragraph_after_why_pods_have_no_address(cli):
    answer = cli("inspect", "examples/symptoms/subnet-full", "--json")
    rules = [each["rule"] for each in answer.document["findings"]]
    assert rules[:5] == ["no-address-subnet-full"] * 2 + ["no-room-for-addresses"] * 3
    page = cli("inspect", "examples/symptoms/subnet-full").out
    assert page.count("no-room-for-addresses") == 1
    assert "(card 0 on ip-10-0-0-4.ec2.internal, ip-10-0-0-10.ec2.internal," in " ".join(page.split())
    assert page.startswith("5 findings, 3 notes\nfinding: no-address-subnet-full")

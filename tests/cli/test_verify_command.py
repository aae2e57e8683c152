"""`vpcipam verify`."""

import gzip

import pytest

from vpcipam.cli import verify as verify_command
from vpcipam.cli.progress import total_size
from vpcipam.contracts import AssignReturned
from vpcipam.inspection.event_lines import event_line

TIME = "2025-01-01T00:00:{:02}.000Z"
START = ["Starting L-IPAMD v1.18.0  ...", "Found instance-type: m5.large ", "Completed ipam state recovery"]


def assign(container, address="10.0.0.5"):
    return f"assignPodIPAddressUnsafe: Assign IP {address} to sandbox aws-cni/{container}/eth0"


def lines(*messages):
    text = '{{"level":"info","ts":"{}","caller":"ipamd/ipamd.go:1","msg":"{}"}}\n'
    return "".join(text.format(TIME.format(second), message) for second, message in enumerate(messages)).encode()


HEALTHY = lines(*START, assign("c1"))
BROKEN = lines(*START, assign("c1"), assign("c2"))


@pytest.fixture
def log(tmp_path):
    def write(data, name="ipamd.log"):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return write


def test_no_fault_is_said(cli, log):
    shown = cli("verify", log(HEALTHY))
    assert (shown.code, shown.err) == (0, "")
    assert "No fault in this: no promise is broken" in shown.out
    assert shown.out.startswith("ipamd.log: ipamd.log, 4 lines, 2025-01-01T00:00:00.000Z to\n")
    assert "v1.18.0: 0 sandboxes restored" in shown.out


def test_a_broken_promise_is_shown_with_its_lines(cli, log):
    shown = cli("verify", log(BROKEN))
    assert shown.finding == (
        "1 broken promise, the first at ipamd.log:5: one holder: aws-cni/c2/eth0 got 10.0.0.5, but aws-cni/c1/eth0 holds it"
    )
    assert "  ipamd.log:4 2025-01-01T00:00:03.000Z aws-cni/c1/eth0 got 10.0.0.5" in shown.out.replace("  2025", " 2025").replace(
        "Z  ", "Z "
    )


def test_too_little_is_another_answer(cli, log):
    shown = cli("verify", log(lines(*START)))
    assert shown.code == 0
    assert "Not enough in this" in shown.out
    assert cli("verify", log(lines(*START)), "--json").document["answer"] == "not enough"


def test_the_answer_for_programs(cli, log):
    shown = cli("verify", log(BROKEN), "--json")
    assert shown.code == 1
    document = shown.document
    assert (document["answer"], document["violation_count"]) == ("broken", 1)
    assert document["violations"][0]["promise"] == "one holder"
    assert document["violations"][0]["steps"][-1]["place"] == {"source": "ipamd.log", "line": 5}
    assert document["restarts"][0]["version"] == "v1.18.0"
    assert document["sources"][0]["kind"] == "ipamd.log"


def test_stdin_gzip_and_several_files(cli, log):
    assert (
        cli(
            "verify",
            "-",
            stdin=BROKEN,
        ).code
        == 1
    )
    assert "stdin:5" in cli("verify", "-", stdin=gzip.compress(BROKEN)).finding
    first = log(gzip.compress(HEALTHY), "ipamd-1.log.gz")
    second = log(lines(*["x"] * 4, assign("c2")).partition(b"\n")[2], "ipamd.log")
    assert "ipamd.log:4: one holder" in cli("verify", second, first).finding


def test_files_of_one_name_keep_their_folders(cli, log, tmp_path):
    (tmp_path / "old").mkdir()
    names = [log(HEALTHY), log(HEALTHY, "old/ipamd.log")]
    assert [source["name"] for source in cli("verify", *names, "--json").document["sources"]] == names


def test_our_own_events_are_verified(cli, log):
    data = "".join(event_line(AssignReturned(0, key, "10.0.0.5")) + "\n" for key in "ab")
    assert "events.jsonl:2: one holder: b got 10.0.0.5" in cli("verify", log(data.encode(), "events.jsonl")).finding


def test_the_cooldown_and_the_type_can_be_given(cli, log):
    gone = "unassignPodIPAddressUnsafe: Unassign IP 10.0.0.5 from sandbox aws-cni/c1/eth0"
    data = log(lines(assign("c1"), gone, *["x"] * 9, assign("c2")))
    assert "cooldown" in cli("verify", data).finding
    assert cli("verify", data, "--cooldown", "10").code == 0
    added = [f"Added ENI(eni-1)'s IP/Prefix 10.0.0.{number}/32 to datastore" for number in range(4)]
    assert "limits" in cli("verify", log(lines(*added)), "--type", "t3.small").finding
    assert "m5.lagre" in cli("verify", data, "--type", "m5.lagre").refusal
    assert "0<=x<=86400" in cli("verify", data, "--cooldown", "-1").usage_error


def test_the_timeline_and_what_was_skipped(cli, log):
    refused = "Failed to CreateNetworkInterface UnauthorizedOperation: no\\\\n\\\\tstatus code: 403 for subnet s".replace("\\\\", "\\")
    data = lines(*START, refused, refused) + b"% \n" * 15 + HEALTHY
    shown = cli("verify", log(data), "--timeline").out
    assert "refused by EC2" in shown
    assert "EC2 refuses: UnauthorizedOperation × 2" in " ".join(shown.split())
    assert "skipped ipamd.log:6: no line of a log: %" in shown
    assert "skipped 5 more places in ipamd.log" in shown
    assert "Timeline: nothing that matters" in cli("verify", log(lines("VPC CIDR")), "--timeline").out


def test_the_calls_of_the_plugin_are_shown(cli, log):
    begin = "Received CNI {} request: ContainerID({}) Netns(n) IfName(eth0) Args(a) Path(p) argsStdinData({{}})"
    answer = 'Received add network response from ipamd for container {} interface eth0: Success:true IPv4Addr:\\"10.0.0.5\\"'
    failed = "Failed to connect to backend server for container c1: refused"
    plugin = log(lines(begin.format("add", "c1"), *["x"] * 4, answer.format("c1"), begin.format("del", "c1"), failed), "plugin.log")
    card = "Assigned IP from network card: 0 -> IPv4: 10.0.0.5, IPv6: , device number: 0, "
    ipamd = log(lines(*START, assign("c1"), card, *["x"] * 6, assign("c2", "10.0.0.6")))
    shown = cli("verify", plugin, ipamd)
    text = " ".join(shown.out.split())
    assert (shown.code, shown.err) == (0, "")
    assert "set up 1 request; 1 got addresses, 1 of them compared with ipamd.log addresses 1 of card 0 delete 1 request" in text
    assert "1 × Failed to connect to backend server for container {container}: {err} (1.7.0 to 1.23.0): refused" in text
    assert "plugin.log:7 2025-01-01T00:00:06.000Z c1 was deleted without ipamd, which still holds 10.0.0.5 for it" in text
    assert cli("verify", plugin, ipamd, "--json").document["plugin"]["lost_deletes"][0]["container"] == "c1"
    deletes = [begin.format("del", f"c{number}") for number in range(20)]
    given = [assign(f"c{number}", f"10.0.0.{number}") for number in range(20)]
    many = log(lines(*deletes, *["x"] * 20), "plugin.log")
    later = [line.replace(b"00:00:", b"00:01:") for line in lines(*["VPC CIDR"] * 3, assign("z", "10.0.1.1")).splitlines(keepends=True)]
    shown = cli("verify", many, log(lines(*START, *given) + b"".join(later)))
    assert "… and 10 more; --json has the first 100" in shown.out


def test_many_violations_are_counted(cli, log):
    shown = cli("verify", log(lines(*(assign(f"c{number}") for number in range(20)))))
    assert "19 broken promises" in shown.out
    assert "… and 9 more" in shown.out


def test_missing_sandboxes_are_counted(cli, log):
    idle = ["VPC CIDR"] * 25
    shown = cli("verify", log(lines(*START, assign("c1"), *idle, START[0], assign("c2", "10.0.0.6"), START[2])))
    assert "1 sandbox restored, 1 missing" in " ".join(shown.out.split())


@pytest.mark.parametrize("data", [b"", b"hello", b"\x00" * 99, bytes(range(256)), b'{"kind":"List"}'])
def test_what_is_no_log_is_refused(cli, log, data):
    assert "ipamd.log" in cli("verify", log(data)).refusal


def test_what_can_not_be_opened_is_refused(cli, tmp_path):
    assert "can't read or write" in cli("verify", str(tmp_path / "none.log")).refusal
    assert f"{tmp_path} is a folder; give the logs in it" in cli("verify", str(tmp_path)).refusal
    assert "give - only once" in cli("verify", "-", "-").usage_error
    assert cli("verify").code == 2


def test_a_bar_moves_while_a_file_is_read(cli, log, monkeypatch):
    moved = []

    class Bar:
        def __enter__(self):
            return lambda done, _total: moved.append(done)

        def __exit__(self, *_):
            return None

    totals = []
    monkeypatch.setattr(verify_command, "show_progress", lambda total, text: (totals.append((total, text(3 << 20))), Bar())[1])
    cli("verify", log(HEALTHY))
    assert totals == [(len(HEALTHY), "3 MiB")]
    assert moved == [len(HEALTHY)]


def test_only_regular_files_have_a_size(log, tmp_path):
    assert total_size([log(b"12345"), log(b"67", "other.log"), str(tmp_path), str(tmp_path / "none.log"), "/dev/null"]) == 7

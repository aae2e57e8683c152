"""Signs of trouble in ipamd's log: each kind is found in each release that writes it, and nothing is found in a log without trouble."""

import pytest
from log_texts import LogWriter, text_of

from vpcipam.inspection import read_files
from vpcipam.inspection.log.reader import LogReader
from vpcipam.inspection.log.signs import SignFinder
from vpcipam.inspection.log.wording import WORDINGS, match_wording

LATEST, TEXT = (1, 21, 2), (1, 5, 4)


def signs_of(data):
    finder = SignFinder()
    for number, line in LogReader([data]):
        found = match_wording(line.message)
        if found is not None:
            finder.take(number, line, *found)
    return finder.signs


def written(*messages, release=LATEST):
    log = LogWriter(release)
    for message in messages:
        log.raw(message)
    return signs_of(log.data)


def brief(signs):
    return [(sign.kind, sign.subject, sign.text, sign.count) for sign in signs]


@pytest.mark.parametrize(
    ("messages", "signs"),
    [
        (["DataStore has no available IP/Prefix addresses"] * 3, [("no-address", "", "", 3)]),
        (["AssignPodIPv4Address: ENI eni-1 does not have available addresses"], []),
        (["Skipping ENI allocation as the max ENI limit is already reached"], [("no-eni-room", "", "", 1)]),
        (
            [
                "AWS CNI is on a non schedulable node, not detaching any ENIs",
                "AWS CNI is on a non schedulable node, will not try to attach any new IPs or ENIs right now",
            ],
            [("node-cordoned", "", "", 1)],
        ),
        (["No slot available for a trunk ENI to be attached."], [("no-trunk-slot", "", "", 1)]),
        (["Send AddNetworkReply: No trunk ENI found, cannot add a pod ENI"], [("no-trunk", "", "", 1)]),
        (["Trunk interface (eni-1) has been added to the node already."], []),
        (["Found 0 leaked ENIs with the AWS CNI tag.", "No AWS CNI leaked ENIs found."], []),
        (["Found 3 leaked ENIs with the AWS CNI tag."], [("leaked-enis", "", "3 ENIs", 1)]),
        (["Found 1 leaked ENIs with the AWS CNI tag"], [("leaked-enis", "", "1 ENI", 1)]),
        (["Failed to clean up leaked ENI eni-1: no permission"], [("leaked-eni-stays", "eni-1", "no permission", 1)]),
        (["Unable to update backing store: disk  full"], [("checkpoint-failed", "", "disk full", 1)]),
        (["UnassignPodIPAddress: Failed to find sandbox aws-cni/c1/eth0"], [("unknown-sandbox", "", "aws-cni/c1/eth0", 1)]),
        (
            ["UnassignIPv4Address: Failed to find pod web-1 namespace default Container c1"],
            [("unknown-sandbox", "", "pod default/web-1", 1)],
        ),
        (
            ["UnassignIPv4Address: Failed to find pod web-1 namespace default Container "],
            [("unknown-sandbox", "", "pod default/web-1, without a container id", 1)],
        ),
        (
            ["Failed to attach ENI eni-1: AttachmentLimitExceeded: Interface count 4 exceeds the limit\n\tstatus code: 400"],
            [
                (
                    "ec2-refused",
                    "AttachmentLimitExceeded",
                    "Interface count 4 exceeds the limit",
                    1,
                )
            ],
        ),
        (["Failed to free ENI eni-1, err: it is busy"], []),
        (["Pods deleted on my node: x", "anything else"], []),
    ],
)
def test_a_line_is_a_sign(messages, signs):
    assert brief(written(*messages)) == signs


def test_each_error_of_ec2_is_a_sign_of_its_own_with_its_last_text():
    lines = [
        f"Failed to call ec2:DescribeSubnets: {code}: {text}" for code, text in (("UnauthorizedOperation", "a"), ("RequestExpired", "b"))
    ]
    signs = written(*lines, lines[0].replace(": a", ": c"))
    assert brief(signs) == [
        ("ec2-refused", "UnauthorizedOperation", "c", 2),
        ("ec2-refused", "RequestExpired", "b", 1),
    ]
    assert [(sign.first_line, sign.last_line) for sign in signs] == [(1, 3), (2, 2)]


def test_a_sign_has_the_times_of_its_first_and_last_line():
    log = LogWriter(LATEST)
    for ms in (0, 1_500):
        log.wait(ms)
        log.raw("DataStore has no available IP/Prefix addresses")
    (sign,) = signs_of(log.data)
    assert sign.last_ns - sign.first_ns == 1_500_000_000
    (sign,) = signs_of(log.data.replace(b'"2025-', b'"'))
    assert (sign.count, sign.first_ns, sign.last_ns) == (2, None, None)


POOL = "IP stats for Network Card {} - total IPs: {}, assigned IPs: {}, cooldown IPs: {}"


@pytest.mark.parametrize(
    ("messages", "signs"),
    [
        ([POOL.format(0, 18, 16, 2)], [("all-free-cool", "card 0", "of 18 addresses, 16 are assigned, 2 cool down", 1)]),
        ([POOL.format(0, 18, 18, 0), POOL.format(0, 18, 15, 2), POOL.format(0, 0, 0, 0)], []),
        (
            ["Current warm IP stats: target: 2, total: 18, assigned: 16, available: 2, cooldown: 2, short: 0, over 0"],
            [("all-free-cool", "", "of 18 addresses, 16 are assigned, 2 cool down", 1)],
        ),
        (["Current warm IP stats: target: 4, total: 18, assigned: 16, available: 2, cooldown: 2, short: 2, over 0"], []),
        (["Prefix target is 1, short of 0 prefixes, free 2 prefixes"], []),
        (
            [POOL.format(1, 9, 9, 0), POOL.format(0, 1, 1, 0), "DataStore has no available IP/Prefix addresses"],
            [("no-address", "", "on card 1 of 9 addresses, 9 are assigned; on card 0 of 1 address, 1 are assigned", 1)],
        ),
    ],
)
def test_counts_tell_whether_all_free_addresses_cool(messages, signs):
    assert brief(written(*messages)) == signs


def test_counts_without_a_cooldown_do_not_replace_those_with_one():
    pool = "IP pool stats: total = 18, used = 16, IPs in Cooldown = 2, c.maxIPsPerENI = 9"
    refused = ("AssignIPv4Address: IP address pool stats: total: 18, assigned 16", "DataStore has no available IP/Prefix addresses")
    signs = written(pool, *refused, release=(1, 10, 0))
    assert brief(signs)[1] == ("no-address", "", "of 18 addresses, 16 are assigned, 2 cool down", 1)
    assert brief(written(*refused, release=(1, 10, 0))) == [("no-address", "", "of 18 addresses, 16 are assigned", 1)]


PASS, SKIP, ADD = (
    "Reconcile existing ENI eni-1 IP pool",
    "Reconcile and skip primary IP 10.0.0.4 on ENI eni-1",
    "Adding ENI(eni-1)'s IPv4 address 10.0.0.5 to datastore",
)


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ((PASS, SKIP, ADD, ADD), False),
        ((PASS, ADD, ADD), True),
        ((ADD, PASS), False),
        ((PASS, ADD.replace("eni-1", "eni-2"), ADD), False),
        ((PASS, "Reconcile and add a new ENI eni-2", ADD), False),
    ],
)
def test_a_reconcile_that_skips_no_primary_address_takes_it_for_a_pod_address(messages, found):
    assert brief(written(*messages, release=TEXT)) == ([("primary-in-pool", "eni-1", "10.0.0.5", 1)] if found else [])


@pytest.mark.parametrize(("count", "address", "found"), [(0, "10.0.0.5", True), (1, "10.0.0.5", False), (0, "", False)])
def test_pods_that_a_restart_did_not_find_are_told(count, address, found):
    lines = f"getLocalPodsWithRetry() found {count} local pods", f"Add/Update for Pod web-1 on my node, namespace = a, IP = {address}"
    assert brief(written(*lines, release=(1, 6, 0))) == ([("pods-forgotten", "", "a/web-1 has 10.0.0.5", 1)] if found else [])


def test_the_number_of_signs_and_the_length_of_their_texts_are_bounded():
    lines = [f"Failed to clean up leaked ENI eni-{number}: {'x' * 999}" for number in range(1_200)]
    signs = written(*lines, *[f"Starting L-IPAMD v1.0.{number}  ..." for number in range(1_200)])
    assert len(signs) == 1_000
    assert {len(sign.text) for sign in signs} == {200}


def test_every_wording_can_be_taken():
    for wording in WORDINGS:
        brief(written(text_of(wording)))


# --- as files ------------------------------------------------------------------------------------------------------------


def read(tmp_path, data):
    path = tmp_path / "x"
    path.write_bytes(data)
    return read_files([path])


def test_a_log_is_read_as_a_file(tmp_path):
    log = LogWriter(LATEST)
    log.start(["10.0.0.5/32"])
    log.raw(POOL.format(0, 1, 1, 0))
    log.raw("DataStore has no available IP/Prefix addresses")
    log.lines.append('{"level":"debug","ts":"2025')
    evidence = read(tmp_path, log.data)
    (document,), (sign,), (skipped,) = evidence.documents, evidence.log_signs, evidence.skipped
    count = len(log.lines)
    assert (document.kind, str(document.releases)) == ("ipamd.log", "v1.21.2")
    assert document.remarks == (
        f"{count} lines, 2025-01-01T00:00:00.000Z to 2025-01-01T00:00:00.000Z",
        "at the end, on card 0 of 1 address, 1 are assigned",
    )
    assert (sign.value.kind, sign.source.line, sign.value.first_line) == ("no-address", count - 1, count - 1)
    assert (skipped.source.line, skipped.why) == (count, "the line is cut off")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_log_of_several_releases_and_of_the_plugin_is_read_in_any_encoding(tmp_path, encoding):
    log = LogWriter(LATEST)
    for version in ("v1.20.0", "v1.21.2", "v1.21.2"):
        log.write("start", version=version)
    (document,) = read(tmp_path, log.data.decode().encode(encoding)).documents
    assert (document.kind, str(document.releases)) == ("ipamd.log", "any")
    plugin = LogWriter(LATEST)
    plugin.write("plugin-add-failed")
    (document,) = read(tmp_path, plugin.data.decode().encode(encoding)).documents
    assert (document.kind, document.source.line) == ("plugin.log", 1)


def test_a_file_of_events_is_left_to_verify(tmp_path):
    evidence = read(tmp_path, b'{"event":"EniDetached","now_ns":1,"eni_id":"eni-1"}\n')
    assert [each.why for each in evidence.skipped] == ["is a file of events; vpcipam verify reads those"]
    assert evidence.documents == ()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("backing store restore returned err open a: no such file", "it asks the container runtime for sandboxes (open a: no such file)"),
        ("backing store doesn't exists, assuming bootstrap on a new node", "it knows no sandbox"),
    ],
)
def test_a_start_without_a_checkpoint_is_a_sign(line, text):
    assert brief(written(line)) == [("no-checkpoint", "", text, 1)]

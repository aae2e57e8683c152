"""Files, streams, folders and archives, also hostile ones."""

import gzip
import io
import itertools
import json
import os
import stat
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from vpcipam.errors import EvidenceError
from vpcipam.inspection import audit, readers
from vpcipam.inspection.readers import exposition, files, read_files
from vpcipam.inspection.readers.collector import Collector
from vpcipam.inspection.releases import Releases

SUBNET = json.dumps(
    {"Subnets": [{"SubnetId": "s", "VpcId": "v", "AvailabilityZone": "a", "CidrBlock": "10.0.0.0/24", "AvailableIpAddressCount": 1}]}
).encode()
NO_FILE = "is no regular file but a link, a device or the like"


def tar_of(*entries, mode="w:gz", **options):
    """A tar archive; an entry is a name with its content, or a TarInfo."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=mode, **options) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
                continue
            name, content = entry
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return archive.getvalue()


def zip_of(*entries):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries:
            made.writestr(name, content)
    return archive.getvalue()


def info(name, kind, **fields):
    made = tarfile.TarInfo(name)
    made.type = kind
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def file_of(tmp_path, content, name="file"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def subnets(evidence):
    return [(each.source.file, each.source.bundle) for each in evidence.subnets]


# --- what can be given ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        SUBNET,
        gzip.compress(SUBNET),
        b"\xef\xbb\xbf" + SUBNET,
        SUBNET.decode().encode("utf-16"),
        ("\ufeff" + SUBNET.decode()).encode("utf-16-be"),
    ],
)
def test_a_file_is_read_packed_or_not_in_any_unicode(tmp_path, read, content):
    path = file_of(tmp_path, content)
    assert subnets(read_files([path])) == subnets(read_files([str(path)])) == [(str(path), "")]
    assert subnets(read(content)) == [("file-0", "")]


@pytest.mark.parametrize("content", [tar_of(("./ec2/a", SUBNET)), tar_of(("ec2/a", SUBNET), mode="w"), zip_of(("ec2/a", SUBNET))])
def test_an_archive_is_read_from_a_file_and_from_a_stream(tmp_path, read, content):
    path = file_of(tmp_path, content, "bundle")
    assert subnets(read_files([path])) == [(f"{path}/ec2/a", str(path))]
    assert subnets(read(content)) == [("file-0/ec2/a", "file-0")]


def test_a_folder_is_read_in_the_order_of_names_without_links(tmp_path):
    for name in ("b", "a/z", "a/y"):
        path = tmp_path / "bundle" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SUBNET)
    (tmp_path / "bundle" / "link").symlink_to(tmp_path / "bundle" / "b")
    (tmp_path / "bundle" / "up").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "bundle" / "pipe")
    folder = f"{tmp_path}/bundle"
    assert subnets(read_files([folder + "/"])) == [(f"{folder}/{name}", folder + "/") for name in ("b", "a/y", "a/z")]


@pytest.mark.parametrize("content", [SUBNET, gzip.compress(SUBNET), zip_of(("a", SUBNET))])
def test_a_pipe_that_is_given_by_itself_is_read(tmp_path, content):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        pool.submit(pipe.write_bytes, content)
        sizes = []
        evidence = read_files([pipe], progress=lambda done, total: sizes.append((done, total)))
    assert len(evidence.subnets) == 1
    assert {*sizes} <= {(0, 0)}


def test_files_packed_in_an_archive_are_read(read):
    assert subnets(read(tar_of(("a.gz", gzip.compress(SUBNET))))) == [("file-0/a.gz", "file-0")]


def test_progress_counts_the_bytes_on_disk(tmp_path):
    sizes = []
    packed = gzip.compress(SUBNET)
    (tmp_path / "folder").mkdir()
    paths = [file_of(tmp_path, packed), tmp_path / "folder"]
    (tmp_path / "folder" / "a").write_bytes(SUBNET)
    read_files(paths, progress=lambda done, total: sizes.append((done, total)))
    assert sizes[-1] == (len(packed) + len(SUBNET),) * 2
    assert sizes == sorted(sizes)


# --- what is refused -----------------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(EvidenceError, match="nowhere: there is no such file"):
        read_files([tmp_path / "nowhere"])
    with pytest.raises(EvidenceError, match="it is a device or a socket"):
        read_files([os.devnull])
    (tmp_path / "folder").mkdir()
    paths = [file_of(tmp_path, SUBNET), file_of(tmp_path / "folder", SUBNET)]

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(EvidenceError, match="file: Permission denied"):
        read_files(paths)
    assert read_files([tmp_path / "folder"]).skipped[0].why == "can't be read: Permission denied"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x7fELF\0\0", "is binary, no text"),
        (b"", "it is empty"),
        (b" ;,\n", "it is empty"),
        (b"hello", "is no JSON"),
        (b"\x1f\x8b\x08broken", "can't be unpacked: "),
        (gzip.compress(SUBNET)[:-20], "can't be unpacked: Compressed file ended"),
        (b"PK\x03\x04", "can't be read: the directory of the zip archive is missing: its end is cut off"),
        (zip_of(("a", SUBNET))[:-1], "can't be read: the directory of the zip archive is missing: its end is cut off"),
        (zip_of(("a", SUBNET)).replace(b"PK\x01\x02", b"PK\x01\x07"), "can't be read: Bad magic number for central directory"),
        (b"PK\x05\x06" + b"\xff" * 18, "can't be read: the directory of the zip archive is too large"),
        (b"PK\x05\x06PK\x06\x07" + b"\0" * 16 + b"PK\x05\x06" + b"\0" * 18, "can't be read: the directory of the zip archive is too large"),
        (b'{"event":"EniDetached","now_ns":1,"eni_id":"eni-1"}', "is a file of events; vpcipam verify reads those"),
        (b'time="2026-01-01T00:00:00Z" level=info msg="a"', "these are the lines of the containers; give ipamd.log"),
        (b"\n==== START logs for container aws-node ====\n", "these are the lines of the containers; give ipamd.log"),
    ],
)
def test_a_file_with_nothing_to_read_is_skipped_with_the_reason(read, content, why):
    evidence = read(content)
    assert evidence.documents == ()
    assert evidence.skipped[0].why.startswith(why)


@pytest.mark.parametrize(
    "content",
    [
        b'{"level":"info","msg":"x"}',
        b"2026-01-01T00:00:00Z [INFO] started",
        b"2026-01-01T00:00:00.123Z [INFO]\tstarted",
        b'vel":"info","ts":"","caller":"","msg":"cut"}\n\n{"level":"info","msg":"x"}',
    ],
)
def test_a_log_is_recognised_by_one_of_its_first_lines(read, content):
    assert [each.kind for each in read(content).documents] == ["ipamd.log"]


def test_a_log_line_within_a_document_makes_it_no_log(read):
    event = {"kind": "Event", "metadata": {}, "message": '{"level":"info","ts":"","caller":"","msg":"x"}'}
    assert len(read(json.dumps(event)).events) == 1
    assert len(read(f"kind: Event\nmetadata: {{}}\nmessage: '{event['message']}'\n").events) == 1


def test_characters_that_are_not_utf_8_are_counted(read):
    evidence = read(b"# \xff\xfe\xff\n" + SUBNET)
    assert evidence.skipped[0].why == "3 of them are not UTF-8; they are read as \ufffd"
    assert len(evidence.subnets) == 1


def test_a_text_has_a_bound_unless_it_is_json(read, monkeypatch):
    monkeypatch.setattr(readers, "MOST_DOCUMENT_BYTES", 1 << 20)
    monkeypatch.setattr(readers, "MOST_OBJECTS", 10)
    assert len(read(SUBNET + b" " * (1 << 20)).subnets) == 1
    assert read(b"x" * (2 << 20)).skipped[0].why == "a text of more than 1 MiB is read only if it is JSON (-o json)"
    assert read(b"{" * 11).skipped[0].why == "it has more than 10 objects and lists; give it in parts"


def test_a_file_that_unpacks_to_far_more_than_its_size_is_not_read_on(tmp_path, read):
    bomb = gzip.compress(b" " * (10 << 20))
    evidence = read_files([file_of(tmp_path, bomb)])
    assert evidence.skipped[0].why.startswith("can't be read: it unpacks to more than 100 times its size")
    zipped = read(zip_of(("a", b" " * (10 << 20)), ("b", SUBNET)))
    assert [each.why.rpartition(": ")[2] for each in zipped.skipped] == ["the archive unpacks to more than 100 times its size"] * 2


def test_links_devices_and_the_like_in_archives_are_skipped(read):
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE)
    evidence = read(
        tar_of(*(info(f"x{kind!r}", kind, linkname="/etc/passwd") for kind in kinds), info("d", tarfile.DIRTYPE), ("a", SUBNET))
    )
    assert subnets(evidence) == [("file-0/a", "file-0")]
    assert [each.why for each in evidence.skipped] == [NO_FILE] * len(kinds)
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    zipped = read(zip_of((link, "/etc/passwd"), ("d/", ""), ("a", SUBNET)))
    assert subnets(zipped) == [("file-0/a", "file-0")]
    assert [each.why for each in zipped.skipped] == [NO_FILE]


def test_a_zip_entry_without_a_name_is_read(read):
    assert subnets(read(zip_of((zipfile.ZipInfo(""), SUBNET)))) == [("file-0/", "file-0")]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b", "\x1b[31m" + "x" * 300])
@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_names_in_archives_lead_nowhere(read, tmp_path, monkeypatch, name, pack):
    monkeypatch.chdir(tmp_path)
    ((shown, bundle),) = subnets(read(pack((name, SUBNET))))
    assert bundle == "file-0"
    assert shown.startswith("file-0/")
    assert shown.isprintable()
    assert len(shown) < 250
    assert list(tmp_path.iterdir()) == []


def test_archives_in_archives_are_opened_but_no_deeper(read):
    packed = {"tar": lambda *entries: tar_of(*entries, mode="w"), "gz": tar_of, "zip": zip_of}
    for outer, inner, innermost in itertools.product(packed, repeat=3):
        deep = ("deep", packed[innermost](("c", SUBNET)))
        evidence = read(packed[outer](("a", SUBNET), ("x/inner", packed[inner](("b", SUBNET), deep)), ("d", SUBNET)))
        names = [("file-0/a", "file-0"), ("file-0/x/inner/b", "file-0/x/inner"), ("file-0/d", "file-0")]
        assert subnets(evidence) == names, (outer, inner, innermost)
        assert [each.why for each in evidence.skipped] == [
            "is an archive in an archive in an archive, which is not opened; unpack the outermost one, and give the folder"
        ]


@pytest.mark.parametrize("outer", [tar_of, zip_of])
@pytest.mark.parametrize("inner", [tar_of, zip_of])
def test_the_files_of_inner_archives_count_too(read, monkeypatch, outer, inner):
    monkeypatch.setattr(files, "MOST_FILES", 4)
    packed = inner(("a", SUBNET), ("b", SUBNET))
    evidence = read(outer(("one", packed), ("two", packed), ("three", SUBNET)))
    assert len(evidence.subnets) == 2
    evidence = read(outer(*((name, packed) for name in "123")))
    assert len(evidence.subnets) == 2
    assert [each.why for each in evidence.skipped] == ["there are more than 10,000 entries; the rest is not read"]


@pytest.mark.parametrize("make", ["tar", "zip", "folder"])
def test_the_number_of_files_is_bounded(read, tmp_path, monkeypatch, make):
    monkeypatch.setattr(files, "MOST_FILES", 2)
    entries = [(f"f{number}", SUBNET) for number in range(4)]
    if make == "folder":
        for name, content in entries:
            file_of(tmp_path, content, name)
        evidence = read_files([tmp_path])
    else:
        evidence = read((tar_of if make == "tar" else zip_of)(*entries))
    assert len(evidence.subnets) == 2
    assert [each.why for each in evidence.skipped] == ["there are more than 10,000 entries; the rest is not read"]


def test_a_tar_archive_that_breaks_off_keeps_what_came_before(read):
    whole = tar_of(("a", SUBNET), ("b", b"x" * 2000), mode="w")
    evidence = read(whole[:2200])
    assert len(evidence.subnets) == 1
    assert any("can't be read" in each.why for each in evidence.skipped)


def test_headers_of_tar_archives_that_would_fill_the_memory_are_refused(read):
    huge = tar_of(("a", SUBNET), info("b" * 300, tarfile.REGTYPE), mode="w", format=tarfile.PAX_FORMAT)
    place = huge.index(b"ustar", 1024) - 257
    header = bytearray(huge[place : place + 512])
    header[124:136] = b"77777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    evidence = read(huge[:place] + bytes(header) + huge[place + 512 :])
    assert evidence.skipped[-1].why == "can't be read on after 1 entry: a header of the archive has an impossible size"


def test_a_zip_entry_that_cannot_be_unpacked_spares_the_others(read):
    archive = bytearray(zip_of(("a", SUBNET), ("b", SUBNET), ("c", SUBNET)))
    first = archive.index(b"PK\x01\x02")
    archive[first + 8] |= 1  # encrypted
    archive[archive.index(b"PK\x01\x02", first + 1) + 10] = 99  # packed in an unknown way
    evidence = read(bytes(archive))
    assert [each.why for each in evidence.skipped] == ["is encrypted", "can't be unpacked: That compression method is not supported"]
    assert subnets(evidence) == [("file-0/c", "file-0")]


def test_a_large_zip_archive_on_a_stream_is_refused(read, monkeypatch):
    monkeypatch.setattr(files, "MOST_FROM_STREAM", 10)
    assert read(zip_of(("a", SUBNET))).skipped[0].why == "is a zip archive of more than 10 bytes on a stream; give it as a file"


def test_the_list_of_skipped_parts_is_bounded(monkeypatch):
    monkeypatch.setattr("vpcipam.inspection.readers.collector.MOST_SKIPPED", 2)
    collector = Collector()
    for number in range(5):
        collector.skip(str(number), "why")
    assert [each.why for each in collector.evidence().skipped] == ["why", "why", "3 more parts were skipped; only the first are listed"]


# --- metrics -------------------------------------------------------------------------------------------------------------


def test_metrics_are_read_line_by_line(read, skipped):
    evidence = read(
        "# HELP awscni_x A\n"
        'awscni_total_ip_addresses 10\ngo_threads 7\nawscni_y{a="b\\"c",d="e"} NaN\nawscni_assigned_ip_per_cidr{} 1 1700\n'
        "awscni_total_ip_addresses 11\nawscni_z one\n...\nawscni_w{a} 1\nawscni_v +Inf\n"
    )
    assert [(each.value.name, each.value.labels, each.value.value, each.source.line) for each in evidence.metrics] == [
        ("awscni_total_ip_addresses", (), 11, 6),
        ("awscni_y", (("a", 'b\\"c'), ("d", "e")), None, 4),
        ("awscni_assigned_ip_per_cidr", (), 1, 5),
        ("awscni_v", (), None, 10),
    ]
    assert [place for place, _ in skipped(evidence)] == ["file-0, line 7", "file-0, line 8", "file-0, line 9"]
    (document,) = evidence.documents
    assert document.releases == Releases("v1.9.0")
    assert document.remarks == ("1 sample of another program is left out",)


def test_metrics_have_bounds(read, skipped, monkeypatch):
    monkeypatch.setattr(exposition, "MOST_SAMPLES", 1)
    monkeypatch.setattr(readers, "LONGEST_LINE", 20)
    evidence = read("awscni_a 1\n" + "x" * 50 + "\nawscni_a 2\nawscni_b 3\nawscni_c 4\n")
    assert [(each.value.value, each.source.line) for each in evidence.metrics] == [(2, 3)]
    assert [why for _, why in skipped(evidence)] == [
        "a line of 20 characters or more is not read",
        "the text has more than 1 different samples; the rest is not read",
    ]


def test_a_last_line_that_is_too_long_ends_the_text(read, monkeypatch):
    monkeypatch.setattr(readers, "LONGEST_LINE", 20)
    assert len(read("awscni_a 1\n" + "x" * 50).metrics) == 1


# --- anything ------------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(
            b"{",
            b"}",
            b"[",
            b"]",
            b'"',
            b"'",
            b":",
            b",",
            b"\n",
            b"...",
            b"kind",
            b"List",
            b"items",
            b"Node",
            b"metadata",
            b"status",
            b"- ",
        ),
        *(b'"ENIs"', b'"ENIIPPools"', b'"eni-1"', b'"AvailableIPv4Cidrs"', b'"10.0.0.0/28"', b'"IPAddresses"', b'"IPAMKey"', b'"0"'),
        *(b'"NetworkInterfaces"', b'"Reservations"', b'"Instances"', b'"Subnets"', b'"allocations"', b'"version"', b"1e999", b"9" * 400),
        *(b"True", b"null", b"\xff", b"\0", b"&a ", b"*a", b"---\n", b"awscni_x 1\n", b"Name: x\nCapacity:\n", b"\x1f\x8b", b"PK\x03\x04"),
    ]
)


@given(st.lists(PIECES | st.binary(max_size=6), max_size=30).map(b"".join))
def test_any_bytes_give_evidence_and_no_error(read, content):
    evidence = read(content)
    assert evidence.documents or evidence.skipped
    assert all(str(each.source).isprintable() for each in evidence.skipped)


@given(st.sampled_from([tar_of(("a", SUBNET), ("b", SUBNET)), tar_of(("a", SUBNET), mode="w"), zip_of(("a", SUBNET))]), st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_damaged_archives_give_evidence_and_no_error(read, archive, data):
    damaged = bytearray(archive)
    for place in data.draw(st.lists(st.integers(0, len(archive) - 1), max_size=4)):
        damaged[place] = data.draw(st.integers(0, 255))
    evidence = read(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    assert evidence.documents or evidence.skipped


NAMES = st.sampled_from(
    [
        *(
            "kind",
            "items",
            "metadata",
            "spec",
            "status",
            "name",
            "labels",
            "capacity",
            "pods",
            "addresses",
            "conditions",
            "type",
            "features",
        ),
        *("template", "containers", "env", "kubelet", "annotations", "vpc.amazonaws.com/pod-eni", "involvedObject", "series", "podIPs"),
        *("ENIs", "ENIIPPools", "eni-1", "0", "1", "IPv4Addresses", "AvailableIPv4Cidrs", "IPv6Cidrs", "10.0.0.0/28", "10.0.0.5", "ENI"),
        *("IPAddresses", "IPAMKey", "IPAMMetadata", "Assigned", "networkName", "containerID", "ifName", "MyENI", "AvailableCommands", "IP"),
        *("NetworkInterfaces", "NetworkInterfaceId", "Attachment", "PrivateIpAddresses", "Status", "Reservations", "Instances", "Subnets"),
        *("InstanceId", "State", "SubnetId", "CidrBlock", "InstanceTypes", "InstanceType", "NetworkInfo", "SubnetIpv4CidrReservations"),
        *(
            "SubnetCidrReservationId",
            "Tags",
            "allocations",
            "version",
            "data",
            "a_b_c",
            "WARM_IP_TARGET",
            "eniId",
            "vlanId",
            "securityGroups",
        ),
    ]
)

MEMBERS = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**70) | st.sampled_from(["", "10.0.0.5", "10.x.x.x", "Node", "Pod", "Event", "List", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(MEMBERS)
def test_any_document_of_known_names_gives_evidence_and_no_error(read, value):
    evidence = read(json.dumps(value))
    assert evidence.documents or evidence.skipped
    evidence.held_addresses()


# --- folders of several nodes ------------------------------------------------------------------------------------------------

CHECKPOINT = b'{"version":"vpc-cni-ipam/1","allocations":[{"networkName":"n","containerID":"%s","ifName":"i","ipv4":"10.0.0.5"}]}'


def made_folder(tmp_path, files_of):
    for name, content in files_of.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def bundles(folder):
    evidence = read_files([("all", folder)])
    return {fact.value.key.container_id: fact.source.bundle for fact in evidence.allocations}, evidence


def test_folders_of_nodes_are_a_bundle_each(tmp_path):
    folder = made_folder(
        tmp_path, {"a/ipamd/ipam.json": CHECKPOINT % b"a", "b/ipam.json": CHECKPOINT % b"b", "c/pods.json": b"", "subnets": SUBNET}
    )
    found, evidence = bundles(folder)
    assert found == {"a": "all/a", "b": "all/b"}
    assert subnets(evidence) == [("all/subnets", "all")]
    assert [len(node.held) for node in audit(evidence).case.nodes] == [1, 1]


def test_archives_in_a_folder_are_a_bundle_each(tmp_path):
    packed = {
        "a.tar.gz": tar_of(("ipamd/ipam.json", CHECKPOINT % b"a")),
        "b.zip": zip_of(("ipam.json", CHECKPOINT % b"b"), ("c.zip", zip_of(("d.tar", tar_of(("e", b"")))))),
        "d/ipam.json": CHECKPOINT % b"d",
    }
    found, evidence = bundles(made_folder(tmp_path, packed))
    assert found == {"a": "all/a.tar.gz", "b": "all/b.zip", "d": "all"}
    assert [str(each.source.file) for each in evidence.skipped] == ["all/b.zip/c.zip/d.tar"]


@pytest.mark.parametrize("above", ["", "case-7/", "./case-7/today/"])
@pytest.mark.parametrize("pack", [tar_of, zip_of, lambda *entries: tar_of(*entries, mode="w")])
def test_folders_of_nodes_in_an_archive_are_a_bundle_each(tmp_path, above, pack):
    names = {"a/ipamd/ipam.json": CHECKPOINT % b"a", "b/ipam.json": CHECKPOINT % b"b", "c/pods.json": b"{", "subnets": SUBNET}
    (tmp_path / "all").write_bytes(pack(*((above + name, content) for name, content in names.items())))
    found, evidence = bundles(tmp_path / "all")
    root = f"all/{above.removeprefix('./')}"
    assert found == {"a": f"{root}a", "b": f"{root}b"}
    assert subnets(evidence) == [(f"{root}subnets", "all")]
    assert [(each.source.file, each.source.bundle) for each in evidence.skipped] == [(f"{root}c/pods.json", "all")]
    assert [len(node.held) for node in audit(evidence).case.nodes] == [1, 1]
    names = [each.source.bundle for each in evidence.documents if each.kind.startswith("ipamd's checkpoint")]
    assert names == [f"{root}a", f"{root}b"]


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_archives_in_an_archive_are_a_node_each(tmp_path, pack):
    packed = [(f"{name}.tar.gz", tar_of((f"{name}/ipamd/ipam.json", CHECKPOINT % name.encode()))) for name in "ab"]
    (tmp_path / "all").write_bytes(pack(*packed, ("subnets", SUBNET)))
    found, evidence = bundles(tmp_path / "all")
    assert found == {"a": "all/a.tar.gz", "b": "all/b.tar.gz"}
    assert [len(node.held) for node in audit(evidence).case.nodes] == [1, 1]


def test_folders_of_nodes_below_others_are_a_bundle_each(tmp_path):
    folder = made_folder(tmp_path, {"today/a/ipam.json": CHECKPOINT % b"a", "today/b/ipam.json": CHECKPOINT % b"b"})
    assert bundles(folder)[0] == {"a": "all/today/a", "b": "all/today/b"}


def test_other_files_beside_an_archive_of_nodes_keep_their_place():
    packed = tar_of(*((f"{name}/ipam.json", CHECKPOINT % name.encode()) for name in "ab"))
    evidence = read_files([("all", io.BytesIO(packed)), ("one", io.BytesIO(tar_of(("s", SUBNET)))), ("s", io.BytesIO(SUBNET))])
    assert subnets(evidence) == [("one/s", "one"), ("s", "")]
    assert [fact.source.bundle for fact in evidence.allocations] == ["all/a", "all/b"]


@pytest.mark.parametrize("other", ["var_log/aws-routed-eni/ipamd.log", "ipamd/x", "cni/x"])
def test_the_folders_of_one_bundle_are_one_node(tmp_path, other):
    made = {"ipamd/ipam.json": CHECKPOINT % b"a", "x/ipam.json": CHECKPOINT % b"b", other: b"x"}
    (tmp_path / "all").write_bytes(tar_of(*((f"node-1/{name}", content) for name, content in made.items())))
    assert set(bundles(tmp_path / "all")[0].values()) == {"all"}
    assert set(bundles(made_folder(tmp_path / "folder", made))[0].values()) == {"all"}


def test_the_number_of_files_counts_those_in_archives_too(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_FILES", 3)
    entries = [(f"f{number}", SUBNET) for number in range(2)]
    evidence = bundles(made_folder(tmp_path, {"a.tar": tar_of(*entries), "b.zip": zip_of(*entries)}))[1]
    assert len(evidence.subnets) == 3
    assert len(evidence.skipped) == 1

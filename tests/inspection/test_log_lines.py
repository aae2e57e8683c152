"""Lines of a log, and the dirt around them."""

import gzip
import io
import json

import pytest

from vpcipam.errors import LogError
from vpcipam.inspection.log import Form, LogReader, parse_line
from vpcipam.inspection.log.line import find_lines, time_ns
from vpcipam.inspection.log.reader import LONGEST_LINE, RawLines, read_chunks

LINE = '{"level":"info","ts":"2025-01-01T00:00:00.000Z","caller":"a/b.go:1","msg":"Start node init"}'
OTHER = LINE.replace("Start node init", "Successfully Reconciled ENI/IP pool")


def read(*pieces):
    reader = LogReader([piece.encode() if isinstance(piece, str) else piece for piece in pieces])
    return [(number, line.message) for number, line in reader], reader


def reasons(reader):
    return [(skipped.line, skipped.reason) for skipped in reader.skips.first]


@pytest.mark.parametrize(
    ("line", "level", "message", "form"),
    [
        (LINE, "info", "Start node init", Form.JSON),
        (LINE.encode() + b"\r\n", "info", "Start node init", Form.JSON),
        (json.dumps({"msg": 'a "b"\n', "level": "WARN", "ts": "", "extra": 1}), "warn", 'a "b"\n', Form.JSON),
        (LINE.replace("Start", r"a \"b\" \u00e9 Start"), "info", 'a "b" é Start node init', Form.JSON),
        ("2018-02-27T13:58:33Z [DEBUG] one  two", "debug", "one  two", Form.TEXT),
        ("2019-11-07T10:00:01.204Z [WARN]\tone\n", "warn", "one", Form.TEXT),
        ("2019-11-29T18:28:59.808Z [INFO] \tone\r\n", "info", "one", Form.TEXT),
    ],
)
def test_a_line_is_read_in_every_form(line, level, message, form):
    found = parse_line(line)
    assert (found.level, found.message, found.form) == (level, message, form)


@pytest.mark.parametrize(
    "line", ["", "hello", "{}", "[1]", LINE[:-10], LINE + "x", '{"msg":1,"level":"info"}', '{"level":"info","ts":"","caller":""']
)
def test_what_is_no_line_is_refused(line):
    with pytest.raises(LogError, match=r"not a line of ipamd\.log or plugin\.log: "):
        parse_line(line)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T02:00:00.001+0200", 1_000_000),
        ("1969-12-31T23:30:00-00:30", 0),
        ("1970-01-01T00:00:00+01:00", None),
        ("2025-13-01T00:00:00Z", None),
        ("2025-01-01T00:00:00", None),
        ("2025-01-01 00:00:00Z", None),
        ("x", None),
        ("", None),
    ],
)
def test_a_time_is_read(text, expected):
    assert time_ns(text) == expected


def test_the_step_of_a_time_is_known():
    assert parse_line("2018-02-27T13:58:33Z [DEBUG] x").resolution_ns == 1_000_000_000
    assert parse_line(LINE).resolution_ns == 1_000_000
    assert parse_line(LINE).when_ns == 1_735_689_600_000_000_000


@pytest.mark.parametrize(
    ("text", "count", "trouble"),
    [
        (LINE + OTHER, 2, ""),
        ("$ cat ipamd.log " + LINE + " " + OTHER + " % ", 2, "there is something beside the JSON"),
        (LINE[1:], 1, "its first character is missing"),
        (LINE[2:], 1, "its first character is missing"),
        (LINE[1:-1], 0, "the line is cut off"),
        (LINE[:-3], 0, "the line is cut off"),
        ("...", 0, "lines were left out here"),
        ('time="2026-01-02T20:02:24Z" level=info msg="x"', 0, "a container's own output"),
        ("==== START logs for container aws-node", 0, "a container's own output"),
        ("hello", 0, "no line of a log"),
        ("", 0, "an empty line"),
        ('{"other": {"a": 1}}', 0, "no line of a log"),
        ('{"log": 1}' + LINE, 1, "there is something beside the JSON"),
        ("{" * 2_000, 0, "no line of a log"),
        ('{"a":' * 2_000, 0, "no line of a log"),
        ("[" * 100_000, 0, "no line of a log"),
        ('{"level":"info","ts":' + "9" * 5_000 + "}", 0, "the line is cut off"),
        (LINE.replace("Start", r"\x Start"), 0, "the line is cut off"),
    ],
)
def test_lines_are_found_in_dirt(text, count, trouble):
    found = find_lines(text)
    assert (len(found.lines), found.trouble) == (count, trouble)


@pytest.mark.parametrize(
    ("text", "loses"),
    [
        (LINE[:-3], False),
        (LINE.replace("Start node init", "assignPodIPAddressUnsafe: Assign IP 10")[:-2], True),
        (LINE.replace("Start node init", "Star")[:-2], True),
        (LINE.replace("Start node init", "Reconcile and skip primary IP 10.0.0.5 on")[:-2], False),
        ("...", True),
        ("hello", False),
    ],
)
def test_what_is_cut_off_can_matter(text, loses):
    assert find_lines(text).loses is loses


def test_a_log_is_read_in_pieces_of_any_size():
    data = (LINE + "\n" + OTHER + "\n" + LINE).encode()
    for size in (1, 7, 100, 1_000):
        lines, reader = read(*(data[start : start + size] for start in range(0, len(data), size)))
        assert [number for number, _ in lines] == [1, 2, 3]
        assert (reader.line_count, reader.found_count, reader.skips.count) == (3, 3, 0)


def test_a_text_message_can_have_several_lines():
    text = "2018-02-27T13:58:33Z [ERROR] one\n\tstatus code: 400\n\n2018-02-27T13:58:34Z [INFO] two\nthree"
    lines, reader = read(text)
    assert lines == [(1, "one\n\tstatus code: 400"), (4, "two\nthree")]
    assert reader.skips.count == 0


def test_a_text_line_is_continued_to_a_limit_only():
    lines, _ = read("2018-02-27T13:58:33Z [ERROR] one\n" + ("x" * 5_000 + "\n") * 9)
    assert len(lines[0][1]) == 16_384


def test_forms_can_follow_each_other():
    lines, reader = read(
        "2018-02-27T13:58:33Z [INFO] one\n" + LINE + "\n" + LINE[:-4] + "\n2018-02-27T13:58:33Z [INFO] two\n" + LINE + LINE
    )
    assert [number for number, _ in lines] == [1, 2, 4, 5, 5]
    assert reasons(reader) == [(3, "the line is cut off")]


def test_what_is_skipped_is_listed_with_its_place():
    lines, reader = read("\ufeff" + LINE + "\n\n% curl\n" + LINE[:-9] + "\n" + LINE + "\n")
    assert [number for number, _ in lines] == [1, 5]
    assert reasons(reader) == [(3, "no line of a log"), (4, "the line is cut off")]
    assert reader.skips.first[0].text == "% curl"


def test_only_the_first_places_are_kept():
    _, reader = read("x\n" * 100)
    assert (len(reader.skips.first), reader.skips.count) == (20, 100)


def test_a_long_line_is_skipped():
    long = b"x" * (LONGEST_LINE + 5)
    for pieces in ([long, b"\n", LINE.encode()], [long + b"\n" + LINE.encode()], [long[:9], long, long, b"\n" + LINE.encode()]):
        lines, reader = read(*pieces)
        assert lines == [(2, "Start node init")]
        assert reasons(reader) == [(1, "longer than 262,144 bytes")]
        assert reader.loses
    assert list(RawLines([long])) == [None]


def test_messages_that_nobody_wants_are_counted_only():
    reader = LogReader([f"{LINE}\n{OTHER}\n{LINE}{OTHER}\n{LINE[:-1]}\n".encode()])
    reader.unwanted = {b'Start node init"'}
    assert [number for number, _ in reader] == [2, 3, 3]
    assert (reader.found_count, reader.skips.count) == (4, 1)


def test_gzip_is_recognised_by_content():
    data = (LINE + "\n").encode() * 5_000
    moved = []
    packed = gzip.compress(data[:1_000]) + gzip.compress(data[1_000:]) + b"\0\0"
    assert b"".join(read_chunks(io.BytesIO(packed), moved.append)) == data
    assert moved == [len(packed)]
    assert b"".join(read_chunks(io.BytesIO(data))) == data
    assert b"".join(read_chunks(io.BytesIO(b""))) == b""


@pytest.mark.parametrize(
    ("damage", "trouble"), [(lambda data: data[:-9], "ends early"), (lambda data: data[:10] + b"x" * 99, "is damaged")]
)
def test_damaged_gzip_is_read_as_far_as_it_goes(damage, trouble):
    packed = damage(gzip.compress((LINE + "\n").encode() * 3, compresslevel=0))
    reader = LogReader(read_chunks(io.BytesIO(packed)))
    lines = list(reader)
    assert trouble in reader.trouble
    assert lines or trouble == "is damaged"

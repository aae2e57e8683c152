"""Traces: what is read, and the errors for bad files."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.errors import TraceError
from vpcipam.fleet.trace import TraceFormat, read_trace
from vpcipam.fleet.workload import MAX_NS, PodRun

OPENB = Path(__file__).with_name("pods_in_openb_columns.csv")  # 40 pods of ours, 4 of which never ran
SECOND = 1_000_000_000


@pytest.fixture
def written(tmp_path):
    """Write a trace and return its path."""

    def write(content, name="pods.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refusal(path, layout=None):
    with pytest.raises(TraceError) as refused:
        read_trace(path, layout)
    message = str(refused.value)
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


# --- the columns of cluster-trace-gpu-v2023 ----------------------------------------------------------------------------------------


def test_a_trace_in_openb_columns_is_read_unchanged_without_the_pods_that_never_ran():
    runs = read_trace(OPENB).runs
    assert len(runs) == 36
    assert len(read_trace(OPENB, TraceFormat(keep_unscheduled=True)).runs) == 40
    assert runs[0] == PodRun("pod-0000", 1900 * SECOND, 2516 * SECOND)


# --- what is read --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["pod,created,deleted,node", "name,creation_time,deletion_time,node_name", " Pod_Name , START,End_Time,NodeName "]
)
def test_usual_headers_are_recognized(written, header):
    path = written(f"{header}\na,1,2.5,workers-0000\nb,1.000000001,,\n")
    runs = PodRun("a", SECOND, 2_500_000_000, "workers-0000"), PodRun("b", SECOND + 1, None)
    assert read_trace(path).runs == runs


def test_other_headers_can_be_given_and_are_case_sensitive(written):
    path = written("who,Born,gone,name,created\na,1,2,x,y\n")
    layout = TraceFormat({"pod": "who", "created": "Born", "deleted": "gone"})
    assert read_trace(path, layout).runs == (PodRun("a", SECOND, 2 * SECOND),)
    assert "no column born" in refusal(path, TraceFormat({"pod": "who", "created": "born", "deleted": "gone"}))


@pytest.mark.parametrize(("unit", "unit_ns"), [("s", SECOND), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)])
def test_times_are_in_the_given_unit_and_no_pod_lives_shorter(written, unit, unit_ns):
    path = written("pod,created,deleted\na,3,7\nb,3,3\n")
    layout = TraceFormat(unit=unit)
    assert read_trace(path, layout).runs == (PodRun("a", 3 * unit_ns, 7 * unit_ns), PodRun("b", 3 * unit_ns, 4 * unit_ns))


def test_a_life_shorter_than_a_unit_is_kept_if_times_have_fractions(written):
    assert read_trace(written("pod,created,deleted\na,3.25,3.5\n")).runs == (PodRun("a", 3_250_000_000, 3_500_000_000),)


def test_dates_count_from_the_first_pod_that_ran_in_any_time_zone(written):
    path = written(
        "pod,created,deleted,scheduled\n"
        "never,2025-12-31T00:00:00Z,2026-01-01T00:00:00Z,\n"
        "a,2026-01-01T01:00:00+01:00,2026-01-01T00:00:10Z,2026-01-01T00:00:00Z\n"
        "b,2026-01-01T00:00:01.5Z,2026-01-01T00:00:01.5Z,x\n"
    )
    assert read_trace(path).runs == (PodRun("a", 0, 10 * SECOND), PodRun("b", 1_500_000_000, 1_500_001_000))


def test_numbers_count_from_the_start_or_if_asked_from_the_first_pod(written):
    path = written("pod,created,deleted\na,1700000010,1700000020\nb,1700000000,\n")
    assert read_trace(path).runs[1] == PodRun("b", 1_700_000_000 * SECOND, None)
    assert read_trace(path, TraceFormat(from_first_pod=True)).runs == (PodRun("a", 10 * SECOND, 20 * SECOND), PodRun("b", 0, None))


def test_pods_with_an_empty_scheduling_time_are_left_out(written):
    content = "pod,created,deleted,scheduled\na,1,2,1\nb,x,y, \n\nc,1,2,1\n"
    assert [run.name for run in read_trace(written(content)).runs] == ["a", "c"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_quotes_and_windows_line_ends_are_accepted(written, packed):
    content = '\ufeffpod,created,deleted,note\r\n"a,b",1,2,"two\r\nlines"\r\nc,1,2,\r\n'.encode()
    path = written(gzip.compress(content, mtime=0) if packed else content)
    assert [run.name for run in read_trace(path).runs] == ["a,b", "c"]


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 10**9), st.one_of(st.none(), st.integers(0, 10**6)), st.sampled_from(["", "workers-0000"])), min_size=1
    )
)
def test_a_written_trace_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("trace") / "pods.csv"
    lines = [f"p{place},{made},{'' if lived is None else made + lived},{node}" for place, (made, lived, node) in enumerate(rows)]
    path.write_text("\n".join(["pod,created,deleted,node", *lines]))
    assert read_trace(path, TraceFormat(unit="ns")).runs == tuple(
        PodRun(f"p{place}", made, None if lived is None else made + max(1, lived), node or None)
        for place, (made, lived, node) in enumerate(rows)
    )


# --- refusals ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ("x,1,2,3", "line 3: 4 fields where the header has 3"),
        ("x,1", "line 3: 2 fields where the header has 3"),
        (" ,1,2", "line 3, column name: the pod has no name"),
        ("a,1,2", "line 3, column name: pod 'a' is already on line 2"),
        ("x,,2", "line 3, column created: '' is neither a number"),
        ("x,-1,2", "line 3, column created: '-1' is neither a number"),
        ("x,1e3,2000", "line 3, column created: '1e3' is neither a number"),
        ("x,1.,2", "line 3, column created: '1.' is neither a number"),
        ("x,²,2", "line 3, column created: '²' is neither a number"),
        ("x,1,soon", "line 3, column gone: 'soon' is neither a number"),
        ("x,1,2026-01-01T00:00:00", "line 3, column gone: '2026-01-01T00:00:00' is neither a number"),
        ("x,5,4", "line 3, column gone: pod 'x' is deleted before it is created: '4' is before '5'"),
        ("x,1,2026-01-01T00:00:00Z", "line 3, column gone: '2026-01-01T00:00:00Z' is a date, but the times before it are numbers"),
        ("x,9999999999999999999999,", "line 3, column created: '9999999999999999999999' is neither a number"),
    ],
)
def test_a_bad_row_is_named_by_line_column_and_value(written, row, wanted):
    path = written(f"name,created,gone\na,0,1\n{row}\n")
    assert refusal(path, TraceFormat({"deleted": "gone"})).startswith(f", {wanted}")


def test_a_number_among_dates_is_refused(written):
    path = written("pod,created,deleted\na,2026-01-01T00:00:00Z,\nb,7,\n")
    assert refusal(path).startswith(", line 3, column created: '7' is a number, but the times before it are dates")


CENTURY_S = MAX_NS // SECOND


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (f"x,0,{CENTURY_S + 1}", "line 3, column gone: pod 'x' is deleted more than a hundred years after the start; check `unit`"),
        (f"x,{CENTURY_S + 1},", "line 3, column created: pod 'x' is created more than a hundred years after the start"),
        (f"x,0,{CENTURY_S}.000000001", "line 3, column gone"),
    ],
)
def test_a_time_beyond_a_hundred_years_is_refused(written, row, wanted):
    path = written(f"name,created,gone\na,0,1\n{row}\n")
    assert refusal(path, TraceFormat({"deleted": "gone"})).startswith(f", {wanted}")


def test_a_time_of_a_hundred_years_is_accepted(written):
    content = f"pod,created,deleted\na,0,{CENTURY_S}\nb,{CENTURY_S},\n"
    assert read_trace(written(content)).runs[1] == PodRun("b", MAX_NS, None)
    late = f"pod,created,deleted\na,{CENTURY_S},{2 * CENTURY_S}\n"
    assert read_trace(written(late), TraceFormat(from_first_pod=True)).runs == (PodRun("a", 0, MAX_NS),)
    assert "more than a hundred years" in refusal(written(late))


def test_dates_more_than_a_hundred_years_apart_are_refused(written):
    path = written("pod,created,deleted\na,0001-01-01T00:00:00+23:59,\nb,9999-12-31T23:59:59-23:59,\n")
    assert refusal(path).startswith(", line 3, column created: pod 'b' is created more than a hundred years")


def test_lines_are_numbered_as_in_an_editor(written):
    path = written('pod,created,deleted\n"a\na",1,2\nb,x,2\n')
    assert refusal(path).startswith(", line 4, column created")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("", " is empty; its first line names the columns"),
        ("pod,created\n", ": no column deleted or deletion_time"),
        ("pod;created;deleted\n", ": no column pod or name or pod_name or podname; its columns are pod;created;deleted"),
        ("pod,name,created,deleted\n", ": columns 'pod' and 'name' could each be 'pod'; name the right one in `columns`"),
        ("pod,created,created,deleted\n", ": columns 'created' and 'created' could each be 'created'"),
        ("pod,created,deleted\n", ": no row is a pod that ran"),
        ("pod,created,deleted,scheduled\na,1,2,\n", ": no row is a pod that ran"),
        (b"\xff\xfep\x00o\x00d\x00", ": it is not UTF-8 text"),
        (b"pod,created,deleted\n\xe4,1,2\n", ": it is not UTF-8 text"),
        ('pod,created,deleted\n"a,1,2\n', ": unexpected end of data"),
        ("\0" * (1 << 20), ": a line has 1,048,576 characters or more"),
        (gzip.compress(b"pod,created,deleted\na,1,2\n", mtime=0)[:-9], ": Compressed file ended before the end-of-stream marker"),
        (gzip.compress(b"pod,created,deleted\na,1,2\n", mtime=0)[:-8] + bytes(8), ": CRC check failed"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff", ": Error -3 while decompressing"),
    ],
)
def test_a_file_that_is_not_a_trace_is_refused(written, content, wanted):
    assert refusal(written(content)).startswith(wanted)


@pytest.mark.parametrize("line", ["\n", "a" * 1_000], ids=["blank lines", "long notes"])
def test_a_gzipped_file_that_would_fill_the_memory_is_refused(written, line):
    header = "pod,created,deleted\n" if line == "\n" else "pod,created,deleted,note\n"
    rows = (line if line == "\n" else f"{number},1,2,{line}\n" for number in range(3_000_000 // len(line)))
    path = written(gzip.compress((header + "".join(rows)).encode(), mtime=0))
    assert "unpacks to more than 100 times its size" in refusal(path)


def test_a_long_gzipped_trace_is_read(written):
    rows = "".join(f"deployment-of-the-shop-{number},{number},{number + 60}\n" for number in range(30_000))
    path = written(gzip.compress(f"pod,created,deleted\n{rows}".encode(), mtime=0))
    assert len(read_trace(path).runs) == 30_000


def test_a_missing_file_is_refused(tmp_path):
    assert refusal(tmp_path / "no.csv").startswith(": No such file or directory; a trace is a CSV file")
    assert refusal(tmp_path).startswith(": Is a directory")


def test_a_given_column_that_is_missing_is_refused(written):
    path = written("pod,created,deleted\na,1,2\n")
    assert refusal(path, TraceFormat({"node": "host"})).startswith(": no column host; its columns are pod, created, deleted")


def test_an_invalid_layout_is_refused(written):
    path = written("pod,created,deleted\na,1,2\n")
    assert refusal(path, TraceFormat(unit="min")) == ": a trace's times are in s, ms, us, ns, not in 'min'"
    assert refusal(path, TraceFormat({"nod": "x"})).startswith(": a trace has no 'nod'; columns can be given for pod, created")

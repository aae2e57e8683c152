"""JSON in texts that people copied, cut and shortened."""

import json
import time

import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam.inspection.readers import scraps
from vpcipam.inspection.readers.scraps import MOST_LEVELS, Noise, Scrap, Trouble, find_json

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text(max_size=6), JSON_VALUES, min_size=1, max_size=4)


def values(text):
    return [each.value for each in find_json(text) if isinstance(each, Scrap)]


def only(text):
    (scrap,) = (each for each in find_json(text) if isinstance(each, Scrap))
    return scrap


@given(st.lists(DOCUMENTS, max_size=4), st.sampled_from(["", "\n", " ", ","]), st.sampled_from([None, 2]))
def test_documents_in_a_row_are_found(documents, between, indent):
    assert values(between.join(json.dumps(each, indent=indent) for each in documents)) == documents


@given(DOCUMENTS)
def test_the_notation_of_python_is_read(document):
    text = repr(document)
    if "\\" not in text and "'" not in json.dumps(document):
        assert values(text) == [document]


@given(DOCUMENTS, st.data())
def test_a_text_that_breaks_off_never_gives_more_than_it_has(document, data):
    text = json.dumps(document)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    for scrap in (each for each in find_json(cut) if isinstance(each, Scrap)):
        assert scrap.cut_path is not None or scrap.value != document


def test_lines_around_json_are_noise_with_its_line():
    found = list(find_json('$ curl\n  % Total\n\n{"a": 1}\n$ exit\n'))
    assert found == [Noise(1, "$ curl", 2), Scrap(4, {"a": 1}), Noise(5, "$ exit", 1)]


def test_what_stands_before_it_on_its_line_is_kept():
    assert only('x\nnode-1   [{"a": 1}]').before == "node-1   "


@pytest.mark.parametrize("text", ["[INFO] started", "[1/3] step", "{ ok }", "a [", "[[]]", "", "[1, x {"])
def test_brackets_of_a_log_are_no_json(text):
    assert values(text) == []


def test_a_line_break_within_a_text_is_read():
    assert values('{"a": "b\nc", "d": x}') == [{"a": "b\nc"}]


def test_a_cut_text_keeps_what_came_before():
    scrap = only('{"a": {"b": [1, 2, {"c": "d')
    assert scrap.value == {"a": {"b": [1, 2, {}]}}
    assert scrap.cut_path == ".a.b[2].c"
    assert scrap.troubles == (Trouble(1, ".a.b[2].c", "a text in quotes has no end, or a wrong escape; the rest is not read"),)


def test_an_ellipsis_ends_a_document_since_the_place_of_the_rest_is_unknown():
    found = list(find_json('{"a": {"x": 1,\n...\n"y": 2}, "b": 3}\n{"c": 4}'))
    assert [each.value for each in found if isinstance(each, Scrap)] == [{"a": {"x": 1}}, {"c": 4}]
    assert found[0].cut_path == ".a"
    assert found[0].troubles[0].line == 2


@pytest.mark.parametrize("shortened", ["{ ... 16 IPs all assigned ... }", "{ … }", "[ ... ]"])
def test_an_object_that_is_shortened_on_its_line_is_noted(shortened):
    scrap = only('{"a": ' + shortened + ', "b": 1}')
    assert scrap.value["b"] == 1
    assert not scrap.value["a"]
    assert scrap.cut_path is None
    assert scrap.troubles[0].path == ".a"


def test_an_ellipsis_before_another_bracket_ends_the_document():
    assert only('{"a": { ... ], "b": 1}').cut_path == ".a"


@pytest.mark.parametrize(
    ("text", "value", "message"),
    [
        ("{'a': True, 'b': None, 'c': False}", {"a": True, "b": None, "c": False}, "True is Python's word"),
        ('{"a": 1, "a": 2}', {"a": 2}, "this name stands twice"),
        ("{'t': datetime.datetime(2013, 11, 30, tzinfo=tzutc()), 'a': 1}", {"t": None, "a": 1}, "a datetime of Python's"),
        ('{"a" 1}', None, None),
        ('{"a": [1, x]}', {"a": [1]}, "no value of JSON stands here"),
        ('{"a": 1, b: 2}', {"a": 1}, "a name in quotes is missing here"),
        ("{'a': 'b\n', 'c': 1}", {}, None),
        ('{"a": 1, "b" 2}', {"a": 1}, "a colon is missing here"),
        ('{"a": {"b": 1}', {"a": {"b": 1}}, "the text breaks off here"),
        ('{"a": [{"b": 1}', {"a": [{"b": 1}]}, "the text breaks off here"),
        ('{"a": 1, "b":', {"a": 1}, "the text breaks off here"),
        ('{"a": 1, "b"', {"a": 1}, "the text breaks off here"),
        ('{"a": 1, "b": 12', {"a": 1}, "the text breaks off here"),  # it was 123
        ('{"a": 1, "b": 1.5', {"a": 1}, "the text breaks off here"),
        ('{"a": 1, "b": tru', {"a": 1}, "the text breaks off here"),
        ('{"a": 1, "b": 12…}', {"a": 1}, "no value of JSON stands here"),
    ],
)
def test_what_is_no_json_is_noted(text, value, message):
    found = [each for each in find_json(text) if isinstance(each, Scrap)]
    if message is None:
        assert found == []
        return
    assert found[0].value == value
    assert any(each.message.startswith(message) for each in found[0].troubles)


def test_equal_troubles_are_counted():
    troubles = {each.message: each.count for each in only("{'a': 'b', 'c': [1]}").troubles}
    assert troubles == {"a text in single quotes is no JSON; it is read as a text": 3}


def test_a_huge_number_is_no_value():
    assert values('{"a": 1, "b": ' + "9" * 100_000 + "}") == [{"a": 1}]


def test_a_wrong_escape_ends_a_document():
    assert values('{"a": 1, "b": "\\q", "c": 2}') == [{"a": 1}]


@given(st.lists(DOCUMENTS | st.just("{'a': 1, x"), max_size=6))
def test_many_failures_of_the_strict_parser_change_nothing(documents):
    text = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in documents)
    expected = list(find_json(text))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scraps, "_MOST_FAILURES", 0)
        assert list(find_json(text)) == expected


@pytest.mark.thorough
@pytest.mark.parametrize("text", ['{"a\\q', '{"a\n', "{{", "['", '{"a": {"b": 1,\n...\n', "[[", '{"a":[', "{'a': 1, x\n"])
def test_hostile_repetitions_take_time_in_proportion_to_their_length(text):
    begin = time.process_time()
    list(find_json(text * 1_000))
    short_s = time.process_time() - begin
    begin = time.process_time()
    list(find_json(text * 10_000))
    assert time.process_time() - begin < 40 * short_s + 0.5


def test_nesting_is_bounded():
    deep = only('{"a":' * 100_000)
    assert deep.cut_path is not None
    assert deep.cut_path.count(".a") == MOST_LEVELS
    assert "levels deep" in deep.troubles[-1].message
    assert len(list(find_json("[" * 1_000_000))) < 3


@given(st.text(alphabet="{}[]\"':,.…\\ \nabTrue1", max_size=60))
def test_any_text_is_read_to_its_end(text):
    found = list(find_json(text))
    lines = [each.line for each in found]
    assert lines == sorted(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)

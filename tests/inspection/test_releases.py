"""Ranges of releases."""

import pytest

from vpcipam.inspection.releases import ANY_RELEASE, Releases


@pytest.mark.parametrize(
    ("text", "found"),
    [("x:v1.20.4-eksbuild.2", Releases("v1.20.4", "v1.20.5")), ("1.9.0", Releases("v1.9.0", "v1.9.1")), ("latest", ANY_RELEASE)],
)
def test_the_release_of_an_image_is_read(text, found):
    assert Releases.exactly(text) == found


@pytest.mark.parametrize(
    ("releases", "included", "others"),
    [
        (ANY_RELEASE, ["v0.1.0", "v1.23.1"], []),
        (Releases("v1.9.0"), ["v1.9.0", "v1.10.0"], ["v1.8.9"]),
        (Releases("", "v1.10.0"), ["v1.9.9"], ["v1.10.0", "v2.0.0"]),
        (Releases("v1.9.0", "v1.10.0"), ["v1.9.0", "v1.9.9"], ["v1.8.0", "v1.10.0"]),
    ],
)
def test_a_range_includes_its_first_release_and_not_the_one_after_its_last(releases, included, others):
    assert all(map(releases.include, included))
    assert not any(map(releases.include, others))


def test_ranges_are_narrowed_to_what_they_share():
    assert Releases("v1.7.0", "v1.20.0").narrowed("v1.10.0", "v1.9.0") == Releases("v1.10.0", "v1.9.0")
    assert Releases("v1.7.0").narrowed("v1.6.0") == Releases("v1.7.0")
    assert ANY_RELEASE.narrowed() == ANY_RELEASE
    assert Releases("v1.10.0", "v1.10.0").is_empty
    assert not Releases("v1.9.0", "v1.10.0").is_empty


def test_a_range_is_before_or_from_a_release():
    assert Releases("", "v1.7.0").are_before("v1.7.0")
    assert not Releases("", "v1.7.1").are_before("v1.7.0")
    assert not ANY_RELEASE.are_before("v1.7.0")
    assert Releases("v1.23.0").are_from("v1.23.0")
    assert not Releases("v1.22.9").are_from("v1.23.0")
    assert not ANY_RELEASE.are_from("v1.23.0")


@pytest.mark.parametrize(
    ("releases", "text"),
    [
        (ANY_RELEASE, "any"),
        (Releases("v1.9.0"), "from v1.9.0"),
        (Releases("", "v1.9.0"), "before v1.9.0"),
        (Releases("v1.9.0", "v1.9.1"), "v1.9.0"),
        (Releases("v1.9.0", "v1.10.0"), "from v1.9.0, before v1.10.0"),
        (Releases("v1.9.0", "v1.9.0"), "none"),
    ],
)
def test_a_range_is_written_for_people(releases, text):
    assert str(releases) == text

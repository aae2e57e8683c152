"""The strategy of artefacts: what is in them is found, and dirt is survived."""

import io

import pytest
from hypothesis import find, given

from vpcipam.inspection import read_files
from vpcipam.testing.artefacts import SHAPES, artefacts


def found_in(artefact):
    evidence = read_files([("x", io.BytesIO(artefact.text.encode()))])
    held = {each.address for each in evidence.held_addresses()}
    return evidence, held | {address for pod in evidence.pods for address in pod.value.addresses}


@given(artefacts(dirty=False))
def test_all_that_an_artefact_has_is_read(artefact):
    evidence, held = found_in(artefact)
    assert not artefact.is_dirty
    assert tuple(sorted(held)) == artefact.held
    assert evidence.skipped == ()
    assert len(evidence.documents) == 1


@given(artefacts(dirty=True))
def test_dirt_is_survived_and_nothing_is_invented(artefact):
    evidence, held = found_in(artefact)
    assert artefact.is_dirty
    assert held <= set(artefact.held)
    assert evidence.documents or evidence.skipped
    assert artefact.is_cut or held == set(artefact.held)


@pytest.mark.parametrize("kind", SHAPES)
def test_each_kind_is_generated_clean_and_dirty(kind):
    for is_dirty in (True, False):
        find(artefacts(), lambda each, is_dirty=is_dirty: (each.kind, each.is_dirty) == (kind, is_dirty))

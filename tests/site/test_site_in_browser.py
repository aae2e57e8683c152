"""The built site in a real browser, opened from its folder. VPCIPAM_SITE names the folder; without it, or a browser, this is skipped."""

import json
import os
import time
from pathlib import Path

import pytest
from browser import PROGRAM, Browser

from vpcipam import plan

SITE = os.environ.get("VPCIPAM_SITE")
pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium: the site was NOT looked at in a browser"),
    pytest.mark.skipif(SITE is None, reason="VPCIPAM_SITE is not set: the site was NOT looked at in a browser"),
]
LONGEST_S = 90  # Python itself starts in the page


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Evaluate JavaScript in a browser with the calculator, once its Python runs."""
    with Browser(tmp_path_factory.mktemp("profile")) as browser:

        def evaluate(expression):
            answer = browser.do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
            assert "exceptionDetails" not in answer, answer
            return answer["result"].get("value")

        def wait_for(expression):
            end = time.monotonic() + LONGEST_S
            while not evaluate(expression):
                assert time.monotonic() < end, evaluate("document.getElementById('calculator-state')?.textContent")
                time.sleep(0.1)

        def load(fragment=""):
            browser.do("Page.navigate", url="about:blank")
            browser.do("Page.navigate", url=(Path(SITE).resolve() / "calculator.html").as_uri() + fragment)
            wait_for("document.body?.dataset.calculator === 'ready'")

        evaluate.load, evaluate.wait_for, evaluate.do = load, wait_for, browser.do
        load()
        yield evaluate


def sentence(page):
    return page("document.querySelector('#calculator-answer .sentence').textContent")


def test_the_calculator_runs_the_library_from_a_folder(page):
    node = plan("m5.large", 20)
    assert f"{node.pods_assigned} pods with {node.eni_count} ENIs and {node.total_ips} addresses" in sentence(page)
    assert page("document.querySelectorAll('[data-picture=node] .cell-warm').length") == node.total_ips + 1  # and the one of the key
    page.wait_for("document.querySelectorAll('[data-picture=strip] svg').length === 1")


def test_the_address_holds_the_question(page):
    page(
        "{const f = document.getElementById('calculator-form').elements; f.pods.value = 40; f.ENABLE_PREFIX_DELEGATION.checked = true;"
        "f.pods.dispatchEvent(new Event('input', {bubbles: true}));}"
    )
    page.wait_for("location.hash.includes('pods=40')")
    asked = page("location.hash")
    before = sentence(page)
    assert "prefix" in before
    page.load(asked)
    assert sentence(page) == before
    page.load()


def test_a_refusal_is_said_and_leaves_no_old_answer(page):
    page(
        "{const f = document.getElementById('calculator-form').elements; f.type.value = 'm5.huge';"
        "f.type.dispatchEvent(new Event('input', {bubbles: true}));}"
    )
    page.wait_for("document.getElementById('calculator-state').textContent.includes('m5.huge')")
    assert page("document.getElementById('calculator-answer').hidden") is True
    page("document.getElementById('calculator-form').reset()")
    page.wait_for("!document.getElementById('calculator-answer').hidden")


def test_answers_can_be_kept_side_by_side(page):
    page("document.getElementById('calculator-form').elements.keep.click()")
    assert page("document.querySelectorAll('.compared tr').length") == 3


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_the_window(page, width):
    page.do("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
    assert page("document.documentElement.scrollWidth") <= width
    page.do("Emulation.clearDeviceMetricsOverride")


@pytest.mark.parametrize("width", [360, 1280])
def test_no_control_sticks_out_of_its_box(page, width):
    page.do("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
    inside = "each.getBoundingClientRect().right <= each.closest('fieldset').getBoundingClientRect().right"
    assert page(f"[...document.querySelectorAll('fieldset input, fieldset select')].every((each) => {inside})")
    page.do("Emulation.clearDeviceMetricsOverride")


def test_nothing_is_fetched(page):
    fetched = json.loads(page("JSON.stringify(performance.getEntriesByType('resource').map((each) => each.name))"))
    assert [each for each in fetched if not each.startswith(("file:", "blob:", "data:"))] == []

"""The page in a real browser. Set CHROMIUM to the program, or have one of the usual names on the path; else this is skipped."""

import base64
import threading

import pytest
from browser import PROGRAM, Browser

from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.serve.running import Runner, listen
from vpcipam.ec2.serve.service import Service

pytestmark = [pytest.mark.thorough, pytest.mark.skipif(PROGRAM is None, reason="no Chromium: the page was NOT looked at in a browser")]
FORM = b"Action=CreateVpc&Version=2016-11-15&CidrBlock=<script>alert(1)</script>"


@pytest.fixture(scope="module")
def service():
    model = Ec2Model()
    subnet = model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24", tags=(("Name", "<b>pods</b>"),))
    instance = model.launch_instance("m5.large", subnet.subnet_id, now_ns=0)
    model.assign_private_ip_addresses(instance.network_interfaces[0].eni_id, ipv4_prefix_count=2, now_ns=0)
    service = Service(model, Region("us-east-1"), lambda: 0, token_key=b"key")
    service.endpoint.answer((FORM,))
    return service


@pytest.fixture(scope="module")
def browser(service, tmp_path_factory):
    """A browser that shows the page."""
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        runner = Runner(service, [listen("127.0.0.1", 0)])
        ready = threading.Event()
        thread = threading.Thread(target=runner.run, args=(ready.set,))
        thread.start()
        assert ready.wait(30)
        browser.do("Page.navigate", url=f"{runner.url}/")
        browser.wait_for("document.querySelectorAll('.strip').length > 0")
        yield browser
        runner.stop()
        thread.join(30)


def test_the_page_shows_the_account(browser):
    assert browser.evaluate("document.getElementById('region').textContent") == "us-east-1"
    assert browser.evaluate("document.querySelectorAll('.strip i').length") == 16
    assert browser.evaluate("document.querySelectorAll('.strip i.p').length") == 2
    text = browser.evaluate("document.body.innerText")
    for expected in (
        "(<b>pods</b>, us-east-1a)",
        "218 addresses free",
        "i-00000000000000001  m5.large",
        "CreateVpc  400 InvalidParameterValue",
    ):
        assert expected in text
    assert browser.evaluate("document.querySelectorAll('main b, main script').length") == 0


def test_the_page_is_live(browser, service):
    service.model.create_subnet(service.model.vpcs[0].vpc_id, "10.0.2.0/24")
    browser.evaluate("fetch('/', {method: 'POST', body: new URLSearchParams('Action=DescribeVpcs&Version=2016-11-15')}); 1")
    browser.wait_for("document.querySelectorAll('.strip').length === 2")
    browser.wait_for("document.body.innerText.includes('DescribeVpcs')")


def test_the_page_works_by_keyboard(browser):
    browser.evaluate("document.activeElement.blur()")
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.getAttribute('aria-label')") == "10.0.1.0/24: 16 /28s, 2 prefixes, 12 free"
    browser.press("ArrowRight")
    browser.press("ArrowRight")
    assert browser.evaluate("document.getElementById('box').textContent") == "10.0.1.16/28, prefix: eni-00000000000000001"
    browser.press("End")
    assert browser.evaluate("document.getElementById('box').textContent") == "10.0.1.240/28, 1 of 16 addresses taken"
    browser.wait_for("document.activeElement.tagName === 'DIV'")
    while browser.evaluate("document.activeElement.tagName") != "SUMMARY":
        browser.press("Tab")
    browser.press("Enter")
    assert browser.evaluate("document.activeElement.parentElement.open")
    assert "2 of 9 slots" in browser.evaluate("document.body.innerText")


def test_the_keyboard_stays_where_it_is_when_the_page_changes(browser):
    while browser.evaluate("document.activeElement.tagName") != "SUMMARY":
        browser.press("Tab")
    key = browser.evaluate("document.activeElement.dataset.key")
    assert key
    calls = browser.evaluate("document.getElementById('calls').childElementCount")
    browser.evaluate("fetch('/?Action=DescribeSubnets&Version=2016-11-15'); 1")
    browser.wait_for(f"document.getElementById('calls').childElementCount > {calls}")
    assert browser.evaluate("document.activeElement.dataset.key") == key


@pytest.mark.parametrize(("scheme", "background"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(13, 17, 23)")])
def test_the_page_is_light_or_dark_and_readable(browser, scheme, background, tmp_path):
    browser.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    style = "getComputedStyle(document.body)"
    assert browser.evaluate(f"{style}.backgroundColor") == background
    assert contrast(browser.evaluate(f"{style}.color"), background) > 7
    (tmp_path / f"{scheme}.png").write_bytes(base64.b64decode(browser.do("Page.captureScreenshot")["data"]))
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"


def contrast(one, other):
    """The contrast of two colours, as WCAG defines it."""

    def luminance(colour):
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)

"""The page in a real browser, headless. Set CHROMIUM to the program, or have one of the usual names on the path; else it is skipped."""

import os
import re
import shutil
import subprocess
import threading

import pytest

from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.serve.running import Runner, listen
from vpcipam.ec2.serve.service import Service

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = [pytest.mark.thorough, pytest.mark.skipif(BROWSER is None, reason="no Chromium: the page was NOT looked at in a browser")]
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--window-size=900,700")


@pytest.fixture
def url():
    model = Ec2Model()
    subnet = model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24", tags=(("Name", "<b>pods</b>"),))
    instance = model.launch_instance("m5.large", subnet.subnet_id, now_ns=0)
    model.assign_private_ip_addresses(instance.network_interfaces[0].eni_id, ipv4_prefix_count=2, now_ns=0)
    service = Service(model, Region("us-east-1"), lambda: 0, token_key=b"key")
    service.endpoint.answer((b"Action=CreateVpc&Version=2016-11-15&CidrBlock=<script>alert(1)</script>",))
    runner = Runner(service, [listen("127.0.0.1", 0)])
    ready = threading.Event()
    thread = threading.Thread(target=runner.run, args=(ready.set,))
    thread.start()
    assert ready.wait(30)
    yield runner.url
    runner.stop()
    thread.join(30)


def browse(tmp_path, *options):
    done = subprocess.run(  # noqa: S603 - a browser
        [BROWSER, *OPTIONS, f"--user-data-dir={tmp_path}/profile", *options], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_shows_the_account(url, tmp_path):
    shown = browse(tmp_path, "--virtual-time-budget=5000", "--dump-dom", f"{url}/")
    assert '<span id="region">us-east-1</span>' in shown
    assert len(re.findall(r'<i class="p"', shown)) == 2
    assert len(re.findall(r"<i ", shown)) >= 16
    assert 'aria-label="10.0.1.0/24: 16 /28s, 2 prefixes, 12 free"' in shown
    assert 'tabindex="0"' in shown, "a subnet can be reached by keyboard"
    assert "10.0.1.16/28, prefix: eni-00000000000000001" in shown
    assert "m5.large" in shown
    assert "2 of 9 slots" in shown
    assert "CreateVpc" in shown
    assert "&lt;b&gt;pods&lt;/b&gt;" in shown
    assert "<script>alert" not in shown


@pytest.mark.parametrize(("scheme", "background"), [("light", (255, 255, 255)), ("dark", (13, 17, 23))])
def test_the_page_is_light_or_dark(url, tmp_path, scheme, background):
    image = pytest.importorskip("PIL.Image")
    file = tmp_path / "page.png"
    preferred = {"dark": 0, "light": 1}[scheme]
    browse(tmp_path, "--virtual-time-budget=5000", f"--blink-settings=preferredColorScheme={preferred}", f"--screenshot={file}", f"{url}/")
    picture = image.open(file).convert("RGB")
    assert picture.getpixel((2, 2)) == background
    assert len(picture.getcolors(100_000)) > 20, "something is on it"

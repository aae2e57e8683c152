"""Draw the pictures of docs/concepts.md from what the library computes.

    python tools/draw_concepts.py

`PICTURES` has the file name of each picture and the function that draws it.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Final

from vpcipam import AddressPool, Ec2Error, Ec2Model, NodePlan, Settings, instance_limits, max_pods, plan
from vpcipam.address import Cidr, address_text
from vpcipam.ec2.subnet_rules import reserved_addresses
from vpcipam.errors import PoolExhausted

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
INSTANCE_TYPE = "m5.large"
TARGETS = {"WARM_IP_TARGET": "2", "MINIMUM_IP_TARGET": "14"}

WIDTH = 480
LEFT = 16
CELL = 36
STEP = 45
SECOND_NS = 1_000_000_000
# The background is opaque, because a page can be dark while the browser's preference is light, and the reverse.
STYLE = """
  text { font: 14px sans-serif; fill: #1f2328 }
  .small { font-size: 12px }
  .middle { text-anchor: middle }
  .end { text-anchor: end }
  .page { fill: #ffffff; stroke: #d1d9e0 }
  .box { fill: none; stroke: #818b98 }
  .primary { fill: #d1d9e0; stroke: #59636e }
  .pod { fill: #0969da; stroke: #0550ae }
  .warm { fill: #dafbe1; stroke: #1a7f37 }
  .cooling { fill: #ffdf8f; stroke: #9a6700 }
  .others { fill: #59636e; stroke: #59636e }
  .empty { fill: none; stroke: #818b98; stroke-dasharray: 3 3 }
  .line { fill: none; stroke-width: 2.5 }
  .dot { fill: #ffffff }
  .shipped { stroke: #bc4c00 } .targets { stroke: #1a7f37 } .used { stroke: #0969da; stroke-dasharray: 5 3 }
  .axis { fill: none; stroke: #818b98 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .page { fill: #0d1117; stroke: #3d444d }
    .primary { fill: #3d444d; stroke: #9198a1 }
    .pod { fill: #1f6feb; stroke: #79c0ff }
    .warm { fill: #12381f; stroke: #3fb950 }
    .cooling { fill: #5a3e00; stroke: #d29922 }
    .others { fill: #9198a1; stroke: #9198a1 }
    .shipped { stroke: #f0883e } .targets { stroke: #3fb950 } .used { stroke: #79c0ff }
  }
"""
MEANINGS = {
    "primary": "primary IP",
    "pod": "address of a pod",
    "warm": "warm address",
    "cooling": "cools",
    "empty": "empty slot",
}


class Picture:
    """A picture that grows downwards; `top` is where the next part begins."""

    def __init__(self, title: str, description: str) -> None:
        self.title = title
        self.description = description
        self.top = 12
        self.parts: list[str] = []

    def text(self, x: float, y: float, text: str, style: str = "") -> None:
        """Write a text with its baseline at `y`."""
        kind = f' class="{style}"' if style else ""
        self.parts.append(f'<text x="{x:g}" y="{y:g}"{kind}>{escape(text)}</text>')

    def cell(self, x: float, y: float, style: str, width: float = CELL, height: float = CELL) -> None:
        """Draw a rectangle. That of a pod has a dot, so that it differs by more than its colour."""
        corner = 3 if width > 15 else 1
        self.parts.append(f'<rect class="{style}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{corner}"/>')
        if style == "pod" and width == height > 10:
            self.parts.append(f'<circle class="dot" cx="{x + width / 2:g}" cy="{y + height / 2:g}" r="{width / 6:g}"/>')

    def line(self, points: list[tuple[float, float]], style: str) -> None:
        """Draw a line through points."""
        self.parts.append(f'<polyline class="{style}" points="{" ".join(f"{x:g},{y:g}" for x, y in points)}"/>')

    def heading(self, text: str) -> None:
        """Write a line of text, and go below it."""
        self.text(LEFT, self.top + 16, text)
        self.top += 26

    def legend(self, *styles: str, **meanings: str) -> None:
        """Explain the cells at the bottom; `meanings` are other words for a style than the usual ones."""
        self.top += 8
        x = float(LEFT)
        for style, meaning in ({style: MEANINGS[style] for style in styles} | meanings).items():
            self.cell(x, self.top, style, 14, 14)
            self.text(x + 21, self.top + 12, meaning, "small")
            x += 34 + 6.7 * len(meaning)
        self.top += 22

    def svg(self) -> str:
        """Return the picture."""
        height = self.top + 6
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">'
        words = f"<title>{escape(self.title)}</title>\n<desc>{escape(self.description)}</desc>\n<style>{STYLE}</style>"
        page = f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>'
        return "\n".join([head, words, page, *self.parts, "</svg>", ""])


def planned(pods: int, variables: Mapping[str, str] | None = None, branch_pods: int = 0) -> NodePlan:
    """Plan the node of the pictures, with some variables other than as shipped."""
    return plan(INSTANCE_TYPE, pods, Settings().with_variables(variables or {}), branch_pods=branch_pods)


def slots_of(answer: NodePlan, number: int) -> Iterator[str]:
    """Return what each slot of an ENI with secondary IPs holds, as the style of a cell."""
    eni = answer.enis[number]
    for slot in range(instance_limits(INSTANCE_TYPE).slots_per_eni):
        yield "pod" if slot < eni.assigned_ips else "warm" if slot < eni.secondary_ips else "empty"


def draw_enis(picture: Picture, answer: NodePlan) -> None:
    """Draw each ENI of a node with secondary IPs as a row: its primary IP, and its slots."""
    for number, eni in enumerate(answer.enis):
        picture.heading(f"ENI {eni.device_number}{', the primary ENI' if eni.primary else ''}")
        for place, style in enumerate(["primary", *slots_of(answer, number)]):
            picture.cell(LEFT + place * STEP, picture.top, style)
        picture.top += STEP + 3


def draw_eni() -> Picture:
    """Draw a node with its first ENI, and the places for others."""
    limits = instance_limits(INSTANCE_TYPE)
    answer = planned(0, {"WARM_IP_TARGET": "2"})
    picture = Picture(
        f"An {INSTANCE_TYPE} with one ENI and its slots",
        f"An {INSTANCE_TYPE} takes {limits.eni_limit} ENIs. One is attached: it has a primary IP and {limits.slots_per_eni} slots.",
    )
    picture.heading("ENI 0, the primary ENI")
    for place, style in enumerate(["primary", *slots_of(answer, 0)]):
        picture.cell(LEFT + place * STEP, picture.top, style)
    picture.top += CELL + 6
    first, last, edge = LEFT + STEP, LEFT + STEP * limits.slots_per_eni + CELL, picture.top + 5
    picture.line([(first, edge - 5), (first, edge), (last, edge), (last, edge - 5)], "axis")
    picture.text((first + last) / 2, edge + 15, f"{limits.slots_per_eni} slots", "middle small")
    picture.top += 34
    for number in range(len(answer.enis), limits.eni_limit):
        picture.cell(LEFT, picture.top, "empty", last - LEFT, 28)
        picture.text(LEFT + 10, picture.top + 19, f"place for ENI {number}", "small")
        picture.top += 36
    picture.legend("primary", "warm", "empty")
    return picture


def draw_secondary_ips() -> Picture:
    """Draw a node with twelve pods, as shipped."""
    answer = planned(12)
    picture = Picture(
        f"An {INSTANCE_TYPE} with 12 pods and secondary IPs",
        f"{len(answer.enis)} ENIs have {answer.total_ips} secondary IPs: {answer.assigned_ips} of pods and {answer.available_ips} warm.",
    )
    draw_enis(picture, answer)
    picture.legend("primary", "pod", "warm")
    return picture


def draw_prefixes() -> Picture:
    """Draw the same pods with prefixes: a slot that is filled is a block of 16 addresses."""
    answer = planned(12, {"ENABLE_PREFIX_DELEGATION": "true"})
    (eni,) = answer.enis
    picture = Picture(
        f"An {INSTANCE_TYPE} with 12 pods and prefixes",
        f"One ENI has {eni.prefixes} prefixes of 16 addresses in its slots: {answer.assigned_ips} of pods and {answer.available_ips} warm.",
    )
    picture.heading("ENI 0, the primary ENI")
    picture.cell(LEFT, picture.top, "primary")
    for slot in range(instance_limits(INSTANCE_TYPE).slots_per_eni):
        x = LEFT + (slot + 1) * STEP
        picture.cell(x, picture.top, "box" if slot < eni.prefixes else "empty")
        for offset in range(16 if slot < eni.prefixes else 0):
            style = "pod" if slot * 16 + offset < eni.assigned_ips else "warm"
            picture.cell(x + 2.5 + offset % 4 * 8, picture.top + 2.5 + offset // 4 * 8, style, 7, 7)
    picture.top += STEP
    for slot in range(eni.prefixes):
        picture.text(LEFT + (slot + 1) * STEP + CELL / 2, picture.top + 10, "/28", "middle small")
    picture.top += 16
    picture.legend("primary", "pod", "warm", "empty")
    return picture


def draw_warm_pool() -> Picture:
    """Draw how many addresses a node has for each number of pods, with two settings."""
    limit = planned(0).pod_limit
    curves = {"shipped": attached(planned(limit)), "targets": attached(planned(limit, TARGETS))}
    wanted = " and ".join(f"{name}={value}" for name, value in TARGETS.items())
    picture = Picture(
        f"Addresses of an {INSTANCE_TYPE} by its number of pods",
        f"With WARM_ENI_TARGET=1 the node has {curves['shipped'][12]} addresses for 12 pods; with {wanted}, {curves['targets'][12]}.",
    )
    left, bottom, height = 50, picture.top + 250, 220
    width = WIDTH - left - 20

    def at(pods: float, addresses: float) -> tuple[float, float]:
        return round(left + pods * width / limit, 1), round(bottom - addresses * height / limit, 1)

    picture.text(LEFT, picture.top + 14, "addresses attached to the node")
    picture.line([at(0, limit), at(0, 0), at(limit, 0)], "axis")
    for mark in range(0, limit + 1, 9):
        picture.text(left - 8, at(0, mark)[1] + 5, str(mark), "end small")
        picture.text(at(mark, 0)[0], bottom + 18, str(mark), "middle small")
    picture.text(left + width / 2, bottom + 36, "pods on the node", "middle")
    picture.line([at(0, 0), at(limit, limit)], "line used")
    for name, curve in curves.items():
        steps = [(pods + after, addresses) for pods, addresses in enumerate(curve) for after in (0, 1) if pods + after <= limit]
        picture.line([at(*step) for step in steps], f"line {name}")
    picture.top = bottom + 48
    for style, words in (
        ("shipped", "WARM_ENI_TARGET=1, as shipped"),
        ("targets", ", ".join(f"{name}={value}" for name, value in TARGETS.items())),
        ("used", "in use: the rest is warm"),
    ):
        picture.line([(LEFT, picture.top + 9), (LEFT + 24, picture.top + 9)], f"line {style}")
        picture.text(LEFT + 34, picture.top + 14, words, "small")
        picture.top += 22
    return picture


def attached(answer: NodePlan) -> list[int]:
    """Return the attached addresses for 0, 1, 2, … pods."""
    stages = {stage.pods: stage.total_ips for stage in answer.timeline}
    curve = [stages[0]]
    for pods in range(1, answer.pods + 1):
        curve.append(stages.get(pods, curve[-1]))
    return curve


def draw_cooldown() -> Picture:
    """Draw the life of one address that a pod had and another pod gets."""
    ended, scale = 20, 4.6
    pool: AddressPool[str] = AddressPool(cooldown_ns=Settings().cooldown_ns)
    pool.add_block(base=0, size=1)
    pool.assign("a", 0)
    pool.unassign("a", ended * SECOND_NS)
    free = ended
    while not assignable(pool, free):
        free += 1
    again, end = free + 15, free + 45
    picture = Picture(
        "The cooldown of an address",
        f"Pod A ends after {ended} s. Its address cools for {free - ended} s and is given to no pod. Then it is warm, and pod B gets it.",
    )
    picture.heading("One address over time")
    for style, start, stop, words in (
        ("pod", 0, ended, "pod A"),
        ("cooling", ended, free, f"cools {free - ended} s"),
        ("warm", free, again, "warm"),
        ("pod", again, end, "pod B"),
    ):
        picture.cell(LEFT + start * scale, picture.top, style, (stop - start) * scale, CELL)
        inside = "middle dot" if style == "pod" else "middle"
        picture.text(LEFT + (start + stop) / 2 * scale, picture.top + 23, words, inside)
    picture.top += CELL
    for moment, words in ((ended, "A ends"), (free, "cooldown over"), (again, "B starts")):
        picture.line([(LEFT + moment * scale, picture.top), (LEFT + moment * scale, picture.top + 8)], "axis")
        picture.text(LEFT + moment * scale, picture.top + 22, words, "middle small" if moment != again else "small")
    picture.top += 30
    return picture


def assignable(pool: AddressPool[str], second: int) -> bool:
    """Tell whether a pool gives an address at a time."""
    try:
        pool.assign("b", second * SECOND_NS)
    except PoolExhausted:
        return False
    return True


def draw_broken_prefixes() -> Picture:
    """Draw a subnet in which few addresses break most of the /28s: each row is a /28."""
    subnet = Cidr.parse("10.0.0.0/25")
    reserved = {*reserved_addresses(subnet)}
    places = [address for address in range(subnet.first, subnet.last + 1) if address not in reserved]
    taken = sorted(random.Random(4).sample(places, 9))  # noqa: S311 - no secret
    ec2 = Ec2Model()
    subnet_id = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, str(subnet)).subnet_id
    for address in taken:
        ec2.create_network_interface(subnet_id=subnet_id, private_ip=address_text(address, 4), now_ns=0)
    space = ec2.subnet_space(subnet_id)
    picture = Picture(
        "A subnet with many free addresses and few prefixes",
        f"Single addresses break the /28s of a /25: {space.free} of its addresses are free, and {space.free_prefix_count} of its 8 /28s.",
    )
    picture.heading(f"A /25 with {len(taken)} taken addresses; each row is a /28")
    free_rows = 0
    for row in range(8):
        first = subnet.first + row * 16
        for column in range(16):
            style = "primary" if first + column in reserved else "others" if first + column in taken else "warm"
            picture.cell(LEFT + column * 19, picture.top, style, 16, 16)
        if whole(ec2, subnet_id, first):
            free_rows += 1
            picture.text(LEFT + 16 * 19 + 8, picture.top + 13, "a prefix fits", "small")
        picture.top += 20
    if free_rows != space.free_prefix_count:
        raise AssertionError(f"{free_rows} rows are free, and {space.free_prefix_count} prefixes")
    picture.heading(f"{space.free} addresses are free. A prefix fits into {free_rows} of 8 rows.")
    picture.legend(others="taken", primary="kept by AWS", warm="free")
    return picture


def whole(ec2: Ec2Model, subnet_id: str, first: int) -> bool:
    """Tell whether EC2 gives a /28 as a prefix, by asking for it."""
    try:
        eni = ec2.create_network_interface(subnet_id=subnet_id, ipv4_prefixes=[f"{address_text(first, 4)}/28"], now_ns=0)
    except Ec2Error:
        return False
    ec2.delete_network_interface(eni.eni_id, now_ns=0)
    return True


def draw_max_pods() -> Picture:
    """Draw max-pods with secondary IPs and with prefixes, beside the addresses that fit on the ENIs."""
    limits = instance_limits(INSTANCE_TYPE)
    slots = limits.eni_limit * limits.slots_per_eni
    modes = (
        ("secondary IPs", slots, max_pods(INSTANCE_TYPE)),
        ("prefixes", slots * 16, max_pods(INSTANCE_TYPE, prefix_delegation=True)),
    )
    picture = Picture(
        f"max-pods of an {INSTANCE_TYPE}",
        "; ".join(f"{mode}: {addresses} addresses fit on the ENIs, and max-pods is {most}" for mode, addresses, most in modes) + ".",
    )
    scale = (WIDTH - 2 * LEFT) / (slots * 16)
    for mode, addresses, most in modes:
        picture.heading(f"{mode}: {addresses} addresses fit, max-pods is {most}")
        picture.cell(LEFT, picture.top, "empty", addresses * scale, 22)
        picture.cell(LEFT, picture.top, "pod", min(most - 2, addresses) * scale, 22)
        picture.top += 34
    picture.legend(pod="pods with an address that can run", empty="room for more addresses")
    return picture


def draw_trunk() -> Picture:
    """Draw a node with a trunk ENI, and the branch ENIs of pods with security groups."""
    answer = planned(5, {"ENABLE_POD_ENI": "true", "WARM_IP_TARGET": "2"}, branch_pods=3)
    (trunk,) = (eni for eni in answer.enis if eni.trunk)
    picture = Picture(
        "A trunk ENI with branch ENIs",
        f"{answer.assigned_ips} pods have addresses in slots. {answer.branch_pods_assigned} pods have a branch ENI each, on the trunk.",
    )
    for number, eni in enumerate(answer.enis):
        if not eni.trunk:
            picture.heading(f"ENI {eni.device_number}{', the primary ENI' if eni.primary else ''}")
            for place, style in enumerate(["primary", *slots_of(answer, number)]):
                picture.cell(LEFT + place * STEP, picture.top, style)
            picture.top += STEP + 3
    picture.heading(f"ENI {trunk.device_number}, the trunk: no slot of it is for pods")
    picture.cell(LEFT, picture.top, "primary")
    middle, end = picture.top + CELL / 2, LEFT + CELL
    for number in range(answer.branch_pods_assigned):
        x = LEFT + 96 + number * 120
        picture.line([(end, middle), (x, middle)], "axis")
        end = x + 106
        picture.cell(x, picture.top - 2, "box", 106, CELL + 4)
        picture.cell(x + 5, picture.top + 5, "pod", 26, 26)
        picture.text(x + 36, picture.top + 23, "branch ENI", "small")
    picture.top += STEP + 3
    picture.legend("primary", "pod", "warm", "empty")
    return picture


PICTURES: Final[dict[str, Callable[[], Picture]]] = {
    "eni.svg": draw_eni,
    "secondary-ips.svg": draw_secondary_ips,
    "prefixes.svg": draw_prefixes,
    "warm-pool.svg": draw_warm_pool,
    "cooldown.svg": draw_cooldown,
    "broken-prefixes.svg": draw_broken_prefixes,
    "max-pods.svg": draw_max_pods,
    "trunk.svg": draw_trunk,
}


def main() -> None:
    """Write the pictures."""
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw().svg(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

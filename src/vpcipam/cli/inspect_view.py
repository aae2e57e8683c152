"""An inspected node for people: headline, ENIs, subnets, capacity, findings."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vpcipam._units import NS_PER_S, counted, number
from vpcipam.cli.audit_view import show_findings, show_unchecked
from vpcipam.cli.kubelet import max_pods_text
from vpcipam.cli.node_drawing import show_picture
from vpcipam.cli.node_picture import picture_of_survey
from vpcipam.inspection.audit import Audit
from vpcipam.inspection.subnet_survey import SubnetSurvey
from vpcipam.inspection.survey import CardSurvey, EniSurvey, NodeSurvey, slot_limit

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page


def show_node(page: "Page", surveyed: NodeSurvey, audit: Audit, *, region: str, settings_given: bool) -> None:
    """Write a node and its findings."""
    _head(page, surveyed, region, settings_given=settings_given)
    page.line()
    _enis(page, surveyed)
    page.line()
    show_picture(page, picture_of_survey(surveyed))
    page.line()
    _subnets(page, surveyed)
    page.line()
    _capacity(page, surveyed)
    page.line()
    show_findings(page, audit)
    show_unchecked(page, audit.unchecked)


def _head(page: "Page", surveyed: NodeSurvey, region: str, *, settings_given: bool) -> None:
    instance = surveyed.node.instance
    page.line(f"{instance.instance_id} · {instance.instance_type} · {surveyed.mode.label} · {instance.state}", "bold")
    read = datetime.fromtimestamp(surveyed.node.read_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    page.line(f"{instance.availability_zone or region}, {instance.vpc_id}, read {read}", "dim")
    if not settings_given:
        page.line("Settings: the manifest as AWS ships it. --daemonset reads those of the node, --set changes one.", "dim")


def _enis(page: "Page", surveyed: NodeSurvey) -> None:
    several_cards = len({each.network_card for each in surveyed.enis}) > 1
    most = slot_limit(surveyed.node.limits, surveyed.mode)
    rows = [
        (
            f"{each.network_card}:{each.device_index}" if several_cards else str(each.device_index),
            each.eni.eni_id,
            f"{each.slot_count} of {most}",
            number(each.address_count),
            each.eni.subnet_id,
            _remarks(each),
        )
        for each in surveyed.enis
    ]
    page.table(("dev", "ENI", "slots", "IPs", "subnet", "remarks"), rows, numbers={"dev", "IPs"}, fold={"remarks"})
    device = "network card:device index" if several_cards else "device index"
    page.line(f"dev: {device}. IPs: addresses for pods, taken or free.", "dim")


def _remarks(each: EniSurvey) -> str:
    remarks = [each.kind] if each.kind != "secondary" else []
    remarks += ["not managed"] if not each.managed else []
    remarks += ["excluded"] if each.excluded else []
    return ", ".join(remarks)


def _subnets(page: "Page", surveyed: NodeSurvey) -> None:
    heads = ("subnet", "CIDR", "free", "free /28s", "ENIs here", "new ENIs")
    rows = [
        (
            each.subnet.subnet_id,
            each.subnet.cidr,
            number(each.free_count),
            f"≤ {number(each.free_prefix_bound)}",
            str(each.node_eni_count),
            _order(surveyed, each),
        )
        for each in surveyed.subnets
    ]
    page.table(heads, rows, numbers={"free", "free /28s", "ENIs here"}, fold={"new ENIs"})
    page.line("free /28s: an upper bound: EC2 does not report them, and a CIDR reservation that was not read can hold any of them", "dim")
    page.line("new ENIs: the order in which ipamd tries the subnets for the next ENI", "dim")


def _order(surveyed: NodeSurvey, each: SubnetSurvey) -> str:
    """Return the subnet's rank among those that ipamd tries for a new ENI."""
    if each.excluded:
        return "excluded"
    if not (surveyed.new_eni_subnets or surveyed.lacks_eni_subnet):
        return ""
    ids = [subnet.subnet_id for subnet in surveyed.new_eni_subnets]
    return f"choice {ids.index(each.subnet.subnet_id) + 1}" if each.subnet.subnet_id in ids else "no"


def _capacity(page: "Page", surveyed: NodeSurvey) -> None:
    page.facts(
        (
            ("addresses for pods", f"{counted(surveyed.address_count, 'address', 'addresses')} now, taken or free"),
            ("when full", f"{counted(surveyed.address_limit, 'address', 'addresses')}, with all ENIs and slots that pods can use"),
            ("kubelet's max-pods", max_pods_text(surveyed.max_pods, surveyed.max_pods_by)),
            *((f"card {card.network_card}" if len(surveyed.cards) > 1 else "ENIs", _card(card)) for card in surveyed.cards),
        )
    )


def _card(card: CardSurvey) -> str:
    if not card.managed:
        return f"{card.eni_count} of {card.eni_limit} ENIs; not managed"
    room = f"room for {card.eni_room} more" if card.eni_room else "no room for more"
    room += ", beside the expected trunk, which takes an address of the subnet too" if card.trunk_expected else ""
    return f"{card.eni_count} of {card.eni_limit}; {room}"

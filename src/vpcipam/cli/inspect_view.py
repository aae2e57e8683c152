"""An inspected node for people: headline, ENIs, subnets, capacity, and what the rules say."""

from datetime import UTC, datetime

from vpcipam._units import NS_PER_S
from vpcipam.address import AddressMode
from vpcipam.cli.streams import counted, number
from vpcipam.cli.tables import Page, cell
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.subnets import SubnetSurvey
from vpcipam.inspection.survey import CardSurvey, EniSurvey, NodeSurvey, slot_limit
from vpcipam.limits import HOST_NETWORK_PODS

_MODE_TEXTS = {AddressMode.SECONDARY_IP: "secondary IPs", AddressMode.PREFIX: "/28 prefixes", AddressMode.IPV6: "IPv6, one /80"}
_STYLES = {Severity.FINDING: "bold red", Severity.NOTE: "dim"}


def show_node(surveyed: NodeSurvey, findings: tuple[Finding, ...], *, region: str, settings_given: bool) -> str:
    """Write a node and what its audit found."""
    page = Page()
    _head(page, surveyed, region, settings_given=settings_given)
    page.line()
    _enis(page, surveyed)
    page.line()
    _subnets(page, surveyed)
    page.line()
    _capacity(page, surveyed)
    page.line()
    _findings(page, findings)
    return page.render()


def _head(page: Page, surveyed: NodeSurvey, region: str, *, settings_given: bool) -> None:
    instance = surveyed.node.instance
    page.line(f"{instance.instance_id} · {instance.instance_type} · {_MODE_TEXTS[surveyed.mode]} · {instance.state}", "bold")
    read = datetime.fromtimestamp(surveyed.node.read_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    page.line(f"{instance.availability_zone or region}, {instance.vpc_id}, read {read}", "dim")
    if not settings_given:
        page.line("Settings: the manifest as AWS ships it. --daemonset reads the node's own, --set changes one.", "dim")


def _enis(page: Page, surveyed: NodeSurvey) -> None:
    several_cards = len({each.network_card for each in surveyed.enis}) > 1
    table = page.table(("dev", "ENI", "slots", "IPs", "subnet", "remarks"), numbers={"dev", "IPs"}, fold={"remarks"})
    most = slot_limit(surveyed.node.limits, surveyed.mode)
    for each in surveyed.enis:
        table.add_row(
            cell(f"{each.network_card}:{each.device_index}" if several_cards else str(each.device_index)),
            cell(each.eni.eni_id),
            cell(f"{each.slot_count} of {most}"),
            cell(number(each.address_count)),
            cell(each.eni.subnet_id),
            cell(_remarks(each)),
        )
    page.add(table)
    device = "network card:device index" if several_cards else "device index"
    page.line(f"dev: {device}. IPs: what pods can have of it, taken or free.", "dim")


def _remarks(each: EniSurvey) -> str:
    remarks = [each.kind] if each.kind != "secondary" else []
    remarks += ["not managed"] if not each.managed else []
    remarks += ["excluded"] if each.excluded else []
    return ", ".join(remarks)


def _subnets(page: Page, surveyed: NodeSurvey) -> None:
    heads = ("subnet", "CIDR", "free", "free /28s", "ENIs here", "new ENIs")
    table = page.table(heads, numbers={"free", "free /28s", "ENIs here"}, fold={"new ENIs"})
    for each in surveyed.subnets:
        table.add_row(
            cell(each.subnet.subnet_id),
            cell(each.subnet.cidr),
            cell(number(each.free_count)),
            cell(f"≤ {number(each.free_prefix_bound)}"),
            cell(str(each.node_eni_count)),
            cell(_order(surveyed, each)),
        )
    page.add(table)
    page.line("free /28s: at most; EC2 does not tell, and a reservation can hold any of them", "dim")


def _order(surveyed: NodeSurvey, each: SubnetSurvey) -> str:
    """Say when ipamd picks the subnet for a new ENI."""
    if each.excluded and not each.candidate:
        return "excluded"
    if not surveyed.new_eni_subnets:
        return ""
    ids = [subnet.subnet_id for subnet in surveyed.new_eni_subnets]
    return f"choice {ids.index(each.subnet.subnet_id) + 1}" if each.subnet.subnet_id in ids else "no"


def _capacity(page: Page, surveyed: NodeSurvey) -> None:
    page.facts(
        (
            ("pods can have", f"{counted(surveyed.address_count, 'address', 'addresses')} now, taken or free"),
            ("when it is full", f"{counted(surveyed.address_limit, 'address', 'addresses')}, with all ENIs and slots that pods can use"),
            ("kubelet's max-pods", f"{number(surveyed.max_pods)}, {HOST_NETWORK_PODS} of them on the host's network"),
            *((f"card {card.network_card}" if len(surveyed.cards) > 1 else "ENIs", _card(card)) for card in surveyed.cards),
        )
    )


def _card(card: CardSurvey) -> str:
    if not card.managed:
        return f"{card.eni_count} of {card.eni_limit} ENIs; not managed"
    room = f"room for {card.eni_room} more" if card.eni_room else "no room for more"
    return f"{card.eni_count} of {card.eni_limit}; {room}"


def _findings(page: Page, findings: tuple[Finding, ...]) -> None:
    if not findings:
        page.line("No rule is broken.", "bold")
        return
    wrong = sum(finding.severity is Severity.FINDING for finding in findings)
    counts = [counted(count, word) for count, word in ((wrong, "finding"), (len(findings) - wrong, "note")) if count]
    page.line(", ".join(counts), "bold")
    for finding in findings:
        page.line(f"{finding.severity}: {finding.rule} ({finding.where})", _STYLES[finding.severity])
        page.indented(cell(finding.message))
        if finding.suggestion:
            page.indented(cell(f"→ {finding.suggestion}"))

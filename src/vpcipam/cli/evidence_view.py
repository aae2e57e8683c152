"""What files show, for people and as JSON: the documents, what was found, what was skipped, and what the documents can't show."""

from typing import TYPE_CHECKING, Any

import attrs

from vpcipam._units import counted, number
from vpcipam.address import Cidr
from vpcipam.cli.node_drawing import MOST_COUNTED, show_pictures
from vpcipam.cli.node_picture import pictures_of
from vpcipam.inspection.evidence import EniState, Evidence, Source
from vpcipam.settings import Settings

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

_MOST_ROWS = 30
_MOST_SKIPPED = 20
_NAMES = {
    "cards": "datastores of network cards",
    "enis": "ENIs in ipamd's datastore",
    "node_pods": "pods in ipamd's datastore",
    "allocations": "sandboxes in checkpoints",
    "network_interfaces": "ENIs in EC2",
    "instances": "instances",
    "subnets": "subnets",
    "reservations": "CIDR reservations",
    "instance_types": "instance types",
    "settings": "sets of variables",
    "nodes": "node objects",
    "pods": "pod objects",
    "events": "events",
    "eni_configs": "ENIConfigs",
    "cni_nodes": "CNINodes",
    "kubelet_limits": "limits of kubelets",
    "metrics": "samples of metrics",
    "log_signs": "troubles and variables in logs",
    "kernel_states": "outputs about the kernel",
}


# --- JSON ----------------------------------------------------------------------------------------------------------------


def evidence_document(evidence: Evidence) -> dict[str, Any]:
    """Return evidence as values that JSON can hold."""
    return {
        "source": "files",
        "documents": [_plain(each) for each in evidence.documents],
        "found": {name: len(facts) for name, facts in evidence.facts()},
        "facts": {name: [_plain(fact) for fact in facts] for name, facts in evidence.facts()},
        "held_addresses": [_plain(each) for each in evidence.held_addresses()],
        "skipped": [_plain(each) for each in evidence.skipped],
        "cannot_show": [{"kind": kind, "what": text} for kind, text in evidence.cannot_show],
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of evidence
    if isinstance(value, Settings):
        return {"document": value.document, "variables": dict(value.variables)}
    if attrs.has(type(value)):
        return {field.name: _plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


# --- text ----------------------------------------------------------------------------------------------------------------


def show_evidence(page: "Page", evidence: Evidence, *, brief: bool = False) -> None:
    """Write what was read; if `brief`, without remarks, tables of what it has, and what such documents never show."""
    _documents(page, evidence, remarks=not brief)
    page.line()
    page.facts((_NAMES[name], number(len(facts))) for name, facts in evidence.facts())
    if evidence.nodes and not brief:
        page.line()
        _nodes(page, evidence)
    if evidence.enis and not brief:
        page.line()
        _enis(page, evidence)
    show_pictures(page, pictures_of(evidence, MOST_COUNTED))
    if not brief:
        _held(page, evidence)
    if evidence.skipped:
        page.line()
        _skipped(page, evidence)
    if not brief:
        _cannot_show(page, evidence)


def _cannot_show(page: "Page", evidence: Evidence) -> None:
    last = None
    for kind, text in evidence.cannot_show:
        if kind != last:
            page.line()
            page.line(f"Never in {kind}:", "bold")
        page.indented(text)
        last = kind


def _documents(page: "Page", evidence: Evidence, *, remarks: bool) -> None:
    shown = evidence.documents[:_MOST_ROWS]
    rows = [(_file(each.source), each.kind + (f" × {each.count}" if each.count > 1 else ""), str(each.releases)) for each in shown]
    page.table(("file", "what it is", "releases"), rows, fold={"file", "what it is", "releases"})
    _more(page, len(evidence.documents), len(shown))
    page.line("releases: those of the CNI plugin that write this shape", "dim")
    for each in shown if remarks else ():
        for remark in each.remarks:
            page.remark(f"note ({each.source})", "dim", remark, "")


def _file(source: Source) -> str:
    return source.file if source.line == 1 else f"{source.file}, line {source.line}"


def _nodes(page: "Page", evidence: Evidence) -> None:
    shown = [fact.value for fact in evidence.nodes[:_MOST_ROWS]]
    rows = [
        (node.name, node.instance_type, node.zone, "" if node.max_pods is None else str(node.max_pods), "cordoned" if node.cordoned else "")
        for node in shown
    ]
    page.table(("node", "type", "zone", "max-pods", "remarks"), rows, numbers={"max-pods"})
    _more(page, len(evidence.nodes), len(shown))


def _enis(page: "Page", evidence: Evidence) -> None:
    shown = [fact.value for fact in evidence.enis[:_MOST_ROWS]]
    rows = [
        (
            "" if eni.network_card is None else str(eni.network_card),
            "" if eni.device_number is None else str(eni.device_number),
            eni.eni_id,
            str(len(eni.cidrs)),
            number(len(eni.held)),
            number(_size(eni) - len(eni.held)),
            _remarks(eni),
        )
        for eni in shown
    ]
    page.table(("card", "dev", "ENI", "CIDRs", "held", "not held", "remarks"), rows, numbers={"card", "dev", "CIDRs", "held", "not held"})
    _more(page, len(evidence.enis), len(shown))
    page.line("held: addresses that sandboxes hold. not held: the others, those in cooldown too.", "dim")


def _size(eni: EniState) -> int:
    return sum(Cidr.parse(each.cidr).size for each in eni.cidrs)


def _remarks(eni: EniState) -> str:
    marks = {"primary": eni.primary, "trunk": eni.trunk, "EFA": eni.efa, "excluded": eni.excluded, "cut off": eni.cut}
    return ", ".join(name for name, there in marks.items() if there)


def _held(page: "Page", evidence: Evidence) -> None:
    held = evidence.held_addresses()
    if not held:
        return
    without_key = sum(each.key is None for each in held)
    without_eni = sum(each.eni_id is None for each in held)
    page.line()
    page.line(f"{counted(len(held), 'address is', 'addresses are')} held by sandboxes.")
    if without_key:
        page.indented(f"{without_key} of them: no document names the sandbox.")
    if without_eni:
        page.indented(f"{without_eni} of them: no document names the ENI.")


def _skipped(page: "Page", evidence: Evidence) -> None:
    page.line(f"{counted(len(evidence.skipped), 'part was', 'parts were')} not read:", "bold")
    for each in evidence.skipped[:_MOST_SKIPPED]:
        page.remark(str(each.source), "dim", f"{each.what}: {each.why}", "")
    _more(page, len(evidence.skipped), _MOST_SKIPPED)


def _more(page: "Page", count: int, shown: int) -> None:
    if count > shown:
        page.line(f"… and {count - shown:,} more; --json has them all", "dim")

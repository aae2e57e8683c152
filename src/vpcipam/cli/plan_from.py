"""`vpcipam plan --from`: the cluster that files show, today and after changes."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from vpcipam._units import counted
from vpcipam.cli.command import Output
from vpcipam.cli.evidence_files import read_evidence
from vpcipam.cli.manifests import node_settings
from vpcipam.cli.present_view import Row, present_table, show_present
from vpcipam.cli.streams import STDIN
from vpcipam.cli.variants import check_names
from vpcipam.inspection.joining import Assumptions
from vpcipam.inspection.present_cluster import present_cluster
from vpcipam.limits import InstanceLimits
from vpcipam.planner import SCHEMA_VERSION, PresentCluster, plan_present


def plan_files(
    files: tuple[str, ...],
    *,
    daemonset: str | None,
    assignments: tuple[tuple[str, str], ...],
    max_pods: int | None,
    max_pods_by: str | None,
    variants: Sequence[Mapping[str, str]],
    types: Sequence[InstanceLimits],
    fail_if_waiting: bool,
) -> Output:
    """Plan the cluster that files show: as it is, with each of the other types, and each with every variant.

    Raises:
        EvidenceError: The files show too little.
        InvalidArgument: A variable is unknown, or a value is invalid.
        SettingsError: ipamd would refuse to start with the settings on a type.
    """
    if STDIN in files and daemonset == STDIN:
        raise click.UsageError("the manifest and the files can't both come from stdin")
    given = daemonset is not None or bool(assignments)
    settings = node_settings(daemonset, assignments) if given else None
    assumptions = Assumptions(settings=settings, given_settings=given, max_pods=max_pods, max_pods_by=max_pods_by)
    cluster = present_cluster(read_evidence(files), assumptions)
    rows = []
    for limits in (None, *types):
        for variables in ({}, *variants):
            check_names(dict(variables))
            rows.append(Row(dict(variables), plan_present(cluster, variables, limits)))
    return Output(
        document=_document(cluster, rows),
        show=lambda page: show_present(page, cluster, rows),
        table=present_table(rows),
        finding=_finding(rows[0]) if fail_if_waiting else None,
        asked=tuple((node.group, node.settings) for node in cluster.nodes),
    )


def _document(cluster: PresentCluster, rows: list[Row]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        **rows[0].answer.to_dict(),
        "unbound_pods": cluster.unbound_pods,
        "assumptions": list(cluster.assumptions),
        "missing": list(cluster.missing),
        "variants": [row.answer.to_dict() for row in rows[1:]],
    }


def _finding(row: Row) -> str | None:
    """Say what is short today."""
    answer = row.answer
    waiting = answer.total("pods_waiting")
    parts = [f"{counted(waiting, 'pod')} of the cluster would wait for an address"] if waiting else []
    short = [each for each in answer.pools if each.fits is False]
    parts += [
        f"{', '.join(each.subnet_ids)}: the nodes take {counted(each.addresses, 'address', 'addresses')} of {each.available}"
        for each in short
    ]
    return "; ".join(parts) or None

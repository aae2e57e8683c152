"""The rule about ENIs that an ipamd left behind, of any node."""

from collections.abc import Iterator

import attrs

from vpcipam.inspection.cluster import ClusterCase
from vpcipam.inspection.finding import Finding
from vpcipam.inspection.rules import owners
from vpcipam.inspection.rules.rule import EC2_ANSWERS, Rule
from vpcipam.node.interfaces import DESCRIPTION_PREFIX, INSTANCE_TAG
from vpcipam.settings import Settings


def check_leaked(case: ClusterCase) -> Iterator[Finding]:
    """ENIs that an ipamd created are attached to an instance (docs/ipamd.md, "Leaked ENIs").

    Old releases set no tags. Their ENIs are known by the description alone, which names the instance. A launch template can have a copy of
    it, but an ENI of a launch template is attached.
    """
    settings = Settings() if case.settings is None else case.settings.value
    attached_ns = (each.value.attachment.attached_ns for each in case.network_interfaces.values() if each.value.attachment)
    latest_ns = max([case.latest_ns, *attached_ns])
    names = {node.instance_id: node.name for node in case.nodes if node.instance_id}
    for fact in case.network_interfaces.values():
        eni = fact.value
        made_for = eni.tag(INSTANCE_TAG)
        if made_for is None and eni.description.startswith(DESCRIPTION_PREFIX):
            made_for = eni.description.removeprefix(DESCRIPTION_PREFIX)
        if made_for is None or eni.status != "available" or eni.attachment is not None:
            continue
        live = case.now_ns is not None
        found = owners.leaked(
            eni,
            _named(made_for, case),
            settings,
            latest_ns if case.now_ns is None else case.now_ns,
            at_least="" if live else "at least ",
        )
        yield attrs.evolve(found, node=names.get(made_for, ""), sources=(fact.source,))


def _named(instance_id: str, case: ClusterCase) -> str:
    alone = len(case.nodes) == 1 and case.nodes[0].instance_id == instance_id
    return "this instance" if alone and instance_id else instance_id or "some instance"


RULES = (Rule(check_leaked, next(rule.entries for rule in owners.RULES if rule.check is owners.check_leaked), (EC2_ANSWERS,)),)

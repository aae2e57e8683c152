"""Trunk ENIs in a fleet: what the VPC resource controller does for the nodes that ask for one (docs/ipamd.md, "Trunk and branch ENIs")."""

from vpcipam._chance import Scatter
from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.fleet.loop import Member
from vpcipam.fleet.metrics import Recorder
from vpcipam.node.calls import Calls
from vpcipam.node.resource_controller import attach_trunk


class TrunkController:
    """Attaches trunks to the nodes of a fleet, and records what goes wrong because of trunks."""

    def __init__(self, ec2: Ec2Model, recorder: Recorder, seed: int) -> None:
        self._ec2 = ec2
        self._recorder = recorder
        self._chance = Scatter(seed)
        self._explained: set[int] = set()

    def attach(self, member: Member, now_ns: int) -> bool:
        """Attach the trunk if the node asks for one. Return False if EC2 refuses; the caller tries again later."""
        node = member.node
        if member.gone or not node.asks_for_trunk(now_ns):
            return True
        try:
            attach_trunk(self._ec2, node, Calls(self._ec2, max(now_ns, node.ready_ns), self._chance))
        except Ec2Error as error:
            self._recorder.event(now_ns, member.name, f"the VPC resource controller attaches no trunk ENI: {error}")
            return False
        return True

    def explain_waiting(self, member: Member, now_ns: int) -> None:
        """Record that pods wait for addresses because of the trunk, the first time that they do on a node."""
        if not member.waiting or member.number in self._explained or not member.node.settings.takes_trunk(member.node.limits):
            return
        view = member.node.view(now_ns)
        if view.trunk_takes_eni and not view.has_room:
            self._explained.add(member.number)
            most, max_pods = view.stats.total_count, member.node.max_pods
            full = f"{most} addresses for max pods {max_pods}"
            text = f"pods wait on a full node: ENABLE_POD_ENI keeps one ENI for the trunk, which leaves {full}"
            self._recorder.event(now_ns, member.name, text)

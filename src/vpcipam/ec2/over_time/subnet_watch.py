"""Watch how full the subnets are, call by call."""

from collections.abc import Callable

from vpcipam.ec2.api import SubnetLevels
from vpcipam.ec2.state.account import Account

SubnetWatcher = Callable[[int, str, SubnetLevels], None]
"""Called with the time of a call, the id of a subnet that it has changed, and how full that subnet is."""


class SubnetWatch:
    """Tells a watcher of every change. Complexity: O(subnets) for each look."""

    def __init__(self, account: Account, watcher: SubnetWatcher) -> None:
        self._account = account
        self._watcher = watcher
        self._latest: dict[str, SubnetLevels] = {}
        self.look(0)

    def look(self, now_ns: int) -> None:
        """Compare all subnets with the last look."""
        for subnet_id, subnet in self._account.subnets.items():
            levels, latest = subnet.addresses.ipv4.levels(), self._latest.get(subnet_id)
            if levels is not latest and levels != latest:
                self._latest[subnet_id] = levels
                self._watcher(now_ns, subnet_id, levels)

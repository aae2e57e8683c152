"""IP address management as the AWS VPC CNI does it for EKS: ENIs, secondary IPs, prefixes, warm pools, limits, cooldown, reconcile.

Each public name is loaded from its module on first use. `import vpcipam` is therefore cheap, and a tool that needs only `max_pods` does not
load the EC2 model.
"""

import importlib
from typing import TYPE_CHECKING, Any

from vpcipam._version import __version__ as __version__

if TYPE_CHECKING:
    # isort: off
    from vpcipam.action import Action as Action, ActionKind as ActionKind
    from vpcipam.address import AddressMode as AddressMode, Cidr as Cidr
    from vpcipam.datastore import Datastore as Datastore
    from vpcipam.ec2.api import Ec2Api as Ec2Api, Ec2Error as Ec2Error
    from vpcipam.ec2.model import Ec2Model as Ec2Model
    from vpcipam.errors import (
        DatastoreError as DatastoreError,
        InvalidArgument as InvalidArgument,
        JournalError as JournalError,
        MissingExtra as MissingExtra,
        NodeError as NodeError,
        PoolError as PoolError,
        PoolExhausted as PoolExhausted,
        ScenarioError as ScenarioError,
        SettingsError as SettingsError,
        UnknownInstanceType as UnknownInstanceType,
        UnknownKey as UnknownKey,
        VpcIpamError as VpcIpamError,
    )
    from vpcipam.fleet.engine import simulate as simulate
    from vpcipam.fleet.scenario import Scenario as Scenario
    from vpcipam.limits import InstanceLimits as InstanceLimits, instance_limits as instance_limits, max_pods as max_pods
    from vpcipam.node import Node as Node
    from vpcipam.planner import (
        ClusterPlan as ClusterPlan,
        NodeGroup as NodeGroup,
        NodePlan as NodePlan,
        Reserve as Reserve,
        plan as plan,
        plan_cluster as plan_cluster,
    )
    from vpcipam.pool import USING_EXTENSION as USING_EXTENSION, AddressPool as AddressPool, BitmapPool as BitmapPool
    from vpcipam.sandbox import PodRef as PodRef, SandboxKey as SandboxKey
    from vpcipam.settings import Diagnostic as Diagnostic, Settings as Settings
    from vpcipam.stats import Assignment as Assignment, PoolStats as PoolStats
    # isort: on

# The same names at run time; a test compares the two lists.
_NAMES_BY_MODULE = {
    "action": "Action ActionKind",
    "address": "AddressMode Cidr",
    "datastore": "Datastore",
    "ec2.api": "Ec2Api Ec2Error",
    "ec2.model": "Ec2Model",
    "errors": "DatastoreError InvalidArgument JournalError MissingExtra NodeError PoolError PoolExhausted ScenarioError SettingsError "
    "UnknownInstanceType UnknownKey VpcIpamError",
    "fleet.engine": "simulate",
    "fleet.scenario": "Scenario",
    "limits": "InstanceLimits instance_limits max_pods",
    "node": "Node",
    "planner": "ClusterPlan NodeGroup NodePlan Reserve plan plan_cluster",
    "pool": "USING_EXTENSION AddressPool BitmapPool",
    "sandbox": "PodRef SandboxKey",
    "settings": "Diagnostic Settings",
    "stats": "Assignment PoolStats",
}
_MODULES = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names.split()}
__all__ = ["__version__", *_MODULES]  # noqa: PLE0604  # every item is a str


def __getattr__(name: str) -> Any:  # noqa: ANN401  # each name has its own type
    """Load a public name from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names and the loaded ones."""
    return sorted({*globals(), *__all__})

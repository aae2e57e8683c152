"""IP address management as the AWS VPC CNI does it for EKS: ENIs, secondary IPs, prefixes, warm pools, limits, cooldown, reconcile.

The public names are here; each is loaded from its module when it is first asked for, so that `import vpcipam` costs next to nothing and
a tool that wants `max_pods` alone does not pay for a model of EC2.
"""

import importlib
from typing import TYPE_CHECKING, Any

from vpcipam._version import __version__ as __version__

if TYPE_CHECKING:
    from vpcipam.action import Action as Action
    from vpcipam.action import ActionKind as ActionKind
    from vpcipam.address import AddressMode as AddressMode
    from vpcipam.address import Cidr as Cidr
    from vpcipam.datastore import Datastore as Datastore
    from vpcipam.ec2.api import Ec2Api as Ec2Api
    from vpcipam.ec2.api import Ec2Error as Ec2Error
    from vpcipam.ec2.model import Ec2Model as Ec2Model
    from vpcipam.errors import VpcIpamError as VpcIpamError
    from vpcipam.limits import InstanceLimits as InstanceLimits
    from vpcipam.limits import instance_limits as instance_limits
    from vpcipam.limits import max_pods as max_pods
    from vpcipam.node import Node as Node
    from vpcipam.planner import NodePlan as NodePlan
    from vpcipam.planner import plan as plan
    from vpcipam.pool import USING_EXTENSION as USING_EXTENSION
    from vpcipam.pool import AddressPool as AddressPool
    from vpcipam.pool import BitmapPool as BitmapPool
    from vpcipam.sandbox import PodRef as PodRef
    from vpcipam.sandbox import SandboxKey as SandboxKey
    from vpcipam.settings import Diagnostic as Diagnostic
    from vpcipam.settings import Settings as Settings
    from vpcipam.stats import Assignment as Assignment
    from vpcipam.stats import PoolStats as PoolStats

_HOMES = {
    "Action": "action",
    "ActionKind": "action",
    "AddressMode": "address",
    "AddressPool": "pool",
    "Assignment": "stats",
    "BitmapPool": "pool",
    "Cidr": "address",
    "Datastore": "datastore",
    "Diagnostic": "settings",
    "Ec2Api": "ec2.api",
    "Ec2Error": "ec2.api",
    "Ec2Model": "ec2.model",
    "InstanceLimits": "limits",
    "Node": "node",
    "NodePlan": "planner",
    "PodRef": "sandbox",
    "PoolStats": "stats",
    "SandboxKey": "sandbox",
    "Settings": "settings",
    "USING_EXTENSION": "pool",
    "VpcIpamError": "errors",
    "instance_limits": "limits",
    "max_pods": "limits",
    "plan": "planner",
}
__all__ = ["__version__", *_HOMES]  # noqa: PLE0604  # all are texts


def __getattr__(name: str) -> Any:  # noqa: ANN401  # as many types as names
    """Load a public name from its module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names beside what is loaded."""
    return sorted({*globals(), *__all__})

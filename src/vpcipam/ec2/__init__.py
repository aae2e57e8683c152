"""The EC2 calls that a node makes (`api`), and a faithful model that answers them (`model`).

`Ec2Model`, `Conditions` and `Faults` are imported on first access, so that a node on the real EC2 does not load the model. `boto`, `fake`
and `pytest_fixtures` need the extra `[ec2]`; import them as modules.
"""

import importlib
from typing import TYPE_CHECKING, Any

from vpcipam.ec2.api import (
    AssignedAddresses,
    Attachment,
    CidrAssociation,
    Ec2Api,
    Instance,
    InstanceLauncher,
    NetworkInterface,
    Subnet,
    SubnetCidrReservation,
    SubnetSpace,
    TagDescription,
    Tagger,
    TrunkAssociation,
    Vpc,
)
from vpcipam.ec2.errors import Ec2Error, ErrorCode
from vpcipam.ec2.subnet_rules import reserved_addresses

if TYPE_CHECKING:
    from vpcipam.ec2.conditions import Conditions
    from vpcipam.ec2.faults import Faults
    from vpcipam.ec2.model import Ec2Model

__all__ = [
    "AssignedAddresses",
    "Attachment",
    "CidrAssociation",
    "Conditions",
    "Ec2Api",
    "Ec2Error",
    "Ec2Model",
    "ErrorCode",
    "Faults",
    "Instance",
    "InstanceLauncher",
    "NetworkInterface",
    "Subnet",
    "SubnetCidrReservation",
    "SubnetSpace",
    "TagDescription",
    "Tagger",
    "TrunkAssociation",
    "Vpc",
    "reserved_addresses",
]
_LOADED_ON_DEMAND = {"Conditions": "conditions", "Ec2Model": "model", "Faults": "faults"}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # classes of three modules
    """Load a public name of the model from its module (PEP 562)."""
    if name not in _LOADED_ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LOADED_ON_DEMAND[name]}"), name)

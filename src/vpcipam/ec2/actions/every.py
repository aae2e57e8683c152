"""All actions of the model in one class."""

from vpcipam.ec2.actions.addresses import AddressActions
from vpcipam.ec2.actions.elastic_ips import ElasticIpActions
from vpcipam.ec2.actions.instance_states import InstanceStateActions
from vpcipam.ec2.actions.instances import InstanceActions
from vpcipam.ec2.actions.interfaces import InterfaceActions
from vpcipam.ec2.actions.launch_templates import LaunchTemplateActions
from vpcipam.ec2.actions.security_groups import SecurityGroupActions
from vpcipam.ec2.actions.subnets import SubnetActions
from vpcipam.ec2.actions.tags import TagActions
from vpcipam.ec2.actions.trunks import TrunkActions
from vpcipam.ec2.actions.vpcs import VpcActions


class EveryAction(
    VpcActions,
    SecurityGroupActions,
    SubnetActions,
    InterfaceActions,
    AddressActions,
    ElasticIpActions,
    TrunkActions,
    LaunchTemplateActions,
    InstanceActions,
    InstanceStateActions,
    TagActions,
):
    """An account with every action."""

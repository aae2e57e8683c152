"""Read all that the package ec2-metadata knows, from the URL of a metadata service."""

import json
import sys

from ec2_metadata import EC2Metadata

PLAIN = (
    *("account_id", "ami_id", "ami_launch_index", "ami_manifest_path", "availability_zone", "availability_zone_id", "domain"),
    *("iam_info", "instance_action", "instance_id", "instance_life_cycle", "instance_profile_arn", "instance_type", "mac", "partition"),
    *("private_hostname", "private_ipv4", "public_hostname", "public_ipv4", "region", "reservation_id", "security_groups"),
    *("autoscaling_target_lifecycle_state", "kernel_id", "spot_instance_action"),
)
OF_AN_ENI = (
    *("device_number", "interface_id", "ipv4_associations", "ipv6s", "ipv6_prefix", "owner_id", "private_hostname", "private_ipv4s"),
    *("security_group_ids", "security_groups", "subnet_id", "subnet_ipv4_cidr_block", "subnet_ipv6_cidr_blocks", "vpc_id"),
    *("vpc_ipv4_cidr_block", "vpc_ipv4_cidr_blocks", "vpc_ipv6_cidr_blocks", "public_ipv4s", "public_hostname"),
)
metadata = EC2Metadata()
metadata.service_url = f"{sys.argv[1]}/latest/"
metadata.dynamic_url = f"{metadata.service_url}dynamic/"
metadata.metadata_url = f"{metadata.service_url}meta-data/"
metadata.userdata_url = f"{metadata.service_url}user-data/"
found = {name: getattr(metadata, name) for name in PLAIN}
found["public_keys"] = sorted(metadata.public_keys)
found["tags"] = dict(metadata.tags)
found["user_data"] = metadata.user_data
found["interfaces"] = {mac: {name: getattr(eni, name) for name in OF_AN_ENI} for mac, eni in metadata.network_interfaces.items()}
json.dump(found, sys.stdout)

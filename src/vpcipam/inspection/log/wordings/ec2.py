"""Wordings about calls to EC2 that failed. `vpcipam.inspection.log.wording` explains the format."""

TABLE = r"""
[ec2-failed]
1.0.0-1.17.1 Failed to CreateNetworkInterface {err}
1.18.0- Failed to CreateNetworkInterface {err} for subnet {subnet}
1.0.0-1.3.4 Failed to attach eni {eni}: {err}
1.4.0- Failed to attach ENI {eni}: {err}
1.4.0- awsGetFreeDeviceNumber: Unable to retrieve instance data from EC2 control plane {err}
1.0.0-1.3.4 Failed to detach eni {eni} {err}
1.4.0- Failed to detach ENI {eni} {err}
1.6.0- Not able to delete ENI: {err}
1.4.0- Failed to retrieve ENI {eni} attachment id: {err}
1.0.0- Failed to allocate a private IP address  {err}
1.6.1-1.8.0 Failed to allocate a private IP addresses on ENI {eni}: {err}
1.9.0- Failed to allocate a private IP/Prefix addresses on ENI {eni}: {err}
1.10.0- Failed to allocate IPv6 Prefixes on ENI {eni}: {err}
1.6.0- Failed to allocate {n} IP addresses on an ENI: {err}
1.5.0- failed to allocate all available IP addresses on ENI {eni}, err: {err}
1.9.0- failed to allocate all available IPv4 Prefixes on ENI {eni}, err: {err}
1.5.0- Failed to deallocate a private IP address {err}
1.9.0-1.21.2 Failed to deallocate a Prefixes address {err}
1.22.0- Failed to deallocate IPv4 Prefixes {cidrs}: {err}
1.0.0-1.3.4 Failed to get eni {eni} information from EC2 control plane {err}
1.4.0- Failed to get ENI {eni} information from EC2 control plane {err}
1.6.1- Failed to call ec2:DescribeNetworkInterfaces for {enis}: {err}
1.18.0- Failed to call ec2:DescribeSubnets: {err}
1.6.3- Could not find interface: {msg}, ID: {eni}
1.7.2- Failed to add tag to ENI {eni}: {err}
1.19.4- checkAPIErrorAndBroadcastEvent resulted in {err}
"""

"""The filters that EC2 documents for the actions here, but that compare what the model does not have.

They raise `NotModelled`, since an EC2 that has them would answer. All other filters that EC2 documents are in
`vpcipam.ec2.state.filter_tables`; a test compares both with the service description of botocore.
"""

from collections.abc import Mapping


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


UNMODELLED_FILTERS: Mapping[str, frozenset[str]] = {
    "DescribeVpcs": _names(
        """
        ipv6-cidr-block-association.ipv6-pool
        """
    ),
    "DescribeAddresses": _names(
        """
        network-border-group
        """
    ),
    "DescribeInstances": _names(
        """
        affinity block-device-mapping.attach-time block-device-mapping.delete-on-termination block-device-mapping.device-name
        block-device-mapping.status block-device-mapping.volume-id boot-mode capacity-reservation-id
        capacity-reservation-specification.capacity-reservation-preference
        capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id
        capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn client-token
        current-instance-boot-mode
        ena-support enclave-options.enabled host-id iam-instance-profile.arn iam-instance-profile.id
        instance-lifecycle kernel-id maintenance-options.auto-recovery network-interface.deny-all-igw-traffic
        network-performance-options.bandwidth-weighting placement-group-name placement-partition-number platform platform-details
        private-dns-name-options.enable-resource-name-dns-a-record private-dns-name-options.enable-resource-name-dns-aaaa-record
        private-dns-name-options.hostname-type ramdisk-id requester-id root-device-name root-device-type spot-instance-request-id
        tpm-support usage-operation usage-operation-update-time
        """
    ),
    "DescribeInstanceTypes": _names(
        """
        auto-recovery-supported burstable-performance-supported current-generation dedicated-hosts-supported ebs-info.attachment-limit-type
        ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps ebs-info.ebs-optimized-info.baseline-iops
        ebs-info.ebs-optimized-info.baseline-throughput-in-mbps ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps
        ebs-info.ebs-optimized-info.maximum-iops ebs-info.ebs-optimized-info.maximum-throughput-in-mbps ebs-info.ebs-optimized-support
        ebs-info.encryption-support ebs-info.maximum-ebs-attachments ebs-info.nvme-support free-tier-eligible hibernation-supported
        instance-storage-info.disk.count instance-storage-info.disk.size-in-gb instance-storage-info.disk.type
        instance-storage-info.encryption-support instance-storage-info.nvme-support instance-storage-info.total-size-in-gb
        instance-storage-supported memory-info.size-in-mib network-info.bandwidth-weightings network-info.efa-info.maximum-efa-interfaces
        network-info.ena-support network-info.encryption-in-transit-supported network-info.flexible-ena-queues-support
        network-info.network-performance nitro-enclaves-support nitro-tpm-info.supported-versions nitro-tpm-support
        processor-info.supported-features processor-info.sustained-clock-speed-in-ghz reboot-migration-support supported-boot-mode
        supported-root-device-type supported-usage-class supported-virtualization-type vcpu-info.default-cores
        vcpu-info.default-threads-per-core vcpu-info.valid-cores vcpu-info.valid-threads-per-core
        """
    ),
    "DescribeInstanceStatus": _names(
        """
        application-status.status attached-ebs-status.status
        """
    ),
    "DescribeSecurityGroups": _names(
        """
        egress.ip-permission.cidr egress.ip-permission.from-port egress.ip-permission.group-id egress.ip-permission.group-name
        egress.ip-permission.ipv6-cidr egress.ip-permission.prefix-list-id egress.ip-permission.protocol
        egress.ip-permission.to-port egress.ip-permission.user-id ip-permission.cidr ip-permission.from-port
        ip-permission.group-id ip-permission.group-name ip-permission.ipv6-cidr ip-permission.prefix-list-id
        ip-permission.protocol ip-permission.to-port ip-permission.user-id
        """
    ),
    "DescribeAvailabilityZones": _names(
        """
        group-long-name
        """
    ),
}

"""Wordings about addresses and prefixes of the pool. `vpcipam.inspection.log.wording` explains the format."""

TABLE = r"""
[cidr-added]
1.0.0-1.8.0 Added ENI({eni})'s IP {ip} to datastore
1.9.0- Added ENI({eni})'s IP/Prefix {cidr} to datastore
[address-listed]
1.0.0-1.6.0 Adding ENI({eni})'s IPv4 address {ip} to datastore
[cidr-adding]
1.9.0- Adding {cidr} to DS for {eni}
[cidr-refused]
1.9.0- unknown ENI
1.10.0- unkown ENI
1.9.0- IP already in DS
1.10.0- IPv6 prefix {cidr} already in DS
[cidr-add-failed]
1.0.0-1.3.4 Failed to increase ip pool, failed to add ip {ip} to data store
1.4.0-1.19.6 Failed to increase IP pool, failed to add IP {ip} to data store
1.20.0- Failed to increase IP pool, failed to add IP {ip} to data store for network card {card}
1.9.0-1.19.6 Failed to increase Prefix pool, failed to add Prefix {cidr} to data store
[cidr-removed]
1.0.0-1.8.0 Deleted ENI({eni})'s IP {ip} from datastore
1.9.0- Deleted ENI({eni})'s IP/Prefix {cidr} from datastore
1.22.0- Deleted ENI({eni})'s IPv6 Prefix {cidr} from datastore
[cidr-forced]
1.6.0-1.8.0 Force deleting assigned ip {ip} on eni {eni}
[cidr-remove-failed]
1.9.0- Unknown {cidr} CIDR
1.9.0- Unknown ENI {eni} while deleting the CIDR
1.5.0- Failed to delete IP {ip} on ENI {eni} from datastore: {err}
1.9.0- Failed to delete Prefix {cidr} on ENI {eni} from datastore: {err}
1.9.0-1.19.6 Failed to delete Cidr {struct} on ENI {eni} from datastore: {err}
1.20.0- Failed to delete Cidr {struct} on ENI {eni} from datastore for network card {card}: {err}
[ec2-assign]
1.1.0-1.3.4 Trying to allocate {n} IP address on eni {eni}
1.4.0-1.4.1 Trying to allocate {n} IP address on ENI {eni}
1.5.0- Trying to allocate {n} IP addresses on ENI {eni}
1.15.4- Trying to allocate {n} IP addresses on new ENI
1.0.0-1.3.4 Successfully allocated ip addess {struct} on eni {eni}
1.4.0- Successfully allocated IP address {structs} on ENI {eni}
1.6.2- Allocated {n} private IP addresses
1.9.0- Allocated {n} private IP prefixes
1.10.0- Allocated {n} private IPv6 prefix(es)
[ec2-unassign]
1.5.0-1.8.0 Trying to unassign the following IPs {ips} from ENI {eni}
1.9.0- Trying to unassign the following Prefixes {cidrs} from ENI {eni}
1.9.0- Successfully freed IPs {ips} from ENI {eni}
1.9.0-1.21.2 Successfully freed Prefixes {cidrs} from ENI {eni}
1.22.0- Successfully freed all Prefixes {cidrs} from ENI {eni}
1.5.0- Successfully decreased IP pool by removing IPs {ips} from ENI {eni}
1.9.0-1.21.2 Successfully prefix removing IPs {cidrs} from ENI {eni}
1.22.0- Successfully removed prefixes {cidrs} from ENI {eni}
[ec2-unassign-failed]
1.5.0- Failed to decrease IP pool by removing IPs {ips} from ENI {eni}: {err}
1.9.0- Failed to free IPs {ips} from ENI {eni}: {err}
1.9.0- Failed to free Prefixes {cidrs} from ENI {eni}: {err}
"""

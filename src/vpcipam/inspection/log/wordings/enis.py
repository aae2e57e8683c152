"""Wordings about the life of ENIs. `vpcipam.inspection.log.wording` explains the format."""

TABLE = r"""
[eni-seen]
1.0.0-1.4.1 Discovered ENI {eni}
1.5.0- Discovered ENI {eni}, trying to set it up
1.6.1- DescribeAllENIs success: ENIs: {n}, tagged: {tagged}
1.0.0-1.3.4 Found eni: {eni}, mac {mac}, device {device}
1.4.0- Found ENI: {eni}, MAC {mac}, device {device}
[eni-added]
1.0.0-1.12.6 DataStore Add an ENI {eni}
1.13.0- DataStore add an ENI {eni}
[eni-created]
1.0.0-1.3.4 Created a new eni: {eni}
1.4.0- Created a new ENI: {eni}
1.6.0- Creating ENI with security groups: {sgs} in subnet: {subnet}
[eni-attached]
1.0.0-1.3.4 Successfully created and attached a new eni {eni} to instance
1.4.0-1.19.6 Successfully created and attached a new ENI {eni} to instance
1.20.0- Successfully created and attached a new ENI {eni} to instance on network card {card}
[eni-set-up]
1.0.0-1.3.4 Setting up network for an eni with ip address {ip}, mac address {mac}, cidr {cidr} and route table {table}
1.4.0-1.4.1 Setting up network for an ENI with ip address {ip}, MAC address {mac}, CIDR {cidr} and route table {table}
1.5.0-1.19.6 Setting up network for an ENI with IP address {ip}, MAC address {mac}, CIDR {cidr} and route table {table}
1.20.0- Setting up network for an ENI with IP address {ip}, MAC address {mac}, CIDR {cidr}, route table {table} and Network Card {card}
1.5.0- ENI {eni} set up.
1.16.0- ENI {eni} set up
[eni-set-up-failed]
1.0.0-1.3.4 Failed to setup eni {eni} network: {err}
1.4.0-1.4.1 Failed to setup ENI {eni} network: {err}
1.5.3,1.5.5- Error trying to set up ENI {eni}: {err}
1.16.0- failed to setup ENI {eni}: {err}
1.7.0- Reached max retry: Unable to discover attached IPs for ENI from metadata service (attempted {n}/{max}): {err}
1.5.3,1.5.5- Unable to match link for this ENI, going to the next one.
[eni-failed]
1.0.0- Failed to increase pool size due to not able to allocate ENI {err}
1.0.0-1.19.6 Failed to increase pool size: {err}
1.20.0- Failed to increase pool size for network card {card}: {err}
1.13.0- Error trying to allocate ENI: {err}
1.7.2- failed to remove ENI {eni}: {err}
[no-eni-room]
1.0.0-1.3.4 Skipping increase IPPOOL due to max ENI already attached to the instance : {maxENI}
1.4.0-1.4.1 Skipping increase IP pool due to max ENI already attached to the instance : {maxENI}
1.5.0-1.5.7 Skipping ENI allocation as the instance's max ENI limit of {maxENI} is already reached
1.6.0-1.6.4 Skipping ENI allocation as the instance's max ENI limit of {maxENI} is already reached (accounting for {unmanaged}
    unmanaged ENIs)
1.7.0-1.14.1 Skipping ENI allocation as the max ENI limit of {maxENI} is already reached (accounting for {unmanaged} unmanaged ENIs and
    {trunk} trunk ENIs)
1.15.0- Skipping ENI allocation as the max ENI limit is already reached
1.20.0- Skipping ENI allocation as the max ENI limit is already reached for the instance
[eni-deletable]
1.0.0-1.4.1 FreeENI: found a deletable ENI {eni}
1.5.0- getDeletableENI: found a deletable ENI {eni}
[eni-removed]
1.0.0-1.4.1 FreeENI {eni}: IP address pool stats: free {free} addresses, total: {total}, assigned: {assigned}
1.5.0-1.8.0 RemoveUnusedENIFromStore {eni}: IP address pool stats: free {free} addresses, total: {total}, assigned: {assigned}
1.9.0- RemoveUnusedENIFromStore {eni}: IP/Prefix address pool stats: free {free} addresses, total: {total}, assigned: {assigned}, total
    prefixes: {prefixes}
1.0.0-1.4.1 DeleteENI {eni}: IP address pool stats: free {free} addresses, total: {total}, assigned: {assigned}
1.5.0-1.8.0 RemoveENIFromDataStore {eni}: IP address pool stats: free {free} addresses, total: {total}, assigned: {assigned}
1.9.0- RemoveENIFromDataStore {eni}: IP/Prefix address pool stats: free {free} addresses, total: {total}, assigned: {assigned}, total
    prefixes: {prefixes}
[eni-kept]
1.5.0- ENI {eni} cannot be deleted because it is primary
1.5.0- ENI {eni} cannot be deleted because it is too young
1.5.0- ENI {eni} cannot be deleted because has IPs in cooling
1.5.0- ENI {eni} cannot be deleted because it has pods assigned
1.5.0- ENI {eni} cannot be deleted because it is required for WARM_IP_TARGET: {n}
1.6.0- ENI {eni} cannot be deleted because it is required for MINIMUM_IP_TARGET: {n}
1.9.0- ENI {eni} cannot be deleted because it is required for WARM_PREFIX_TARGET: {n}
1.7.0- ENI {eni} cannot be deleted because it is a trunk ENI
1.7.6- ENI {eni} cannot be deleted because it is an EFA ENI
[reconcile-eni-gone]
1.0.0-1.3.4 Reconcile and delete detached eni {eni}
1.4.0- Reconcile and delete detached ENI {eni}
[eni-forced]
1.6.0- Force removing eni {eni} with {n} assigned pods
[eni-freed]
1.0.0-1.3.4 Start freeing eni {eni}
1.4.0-1.19.6 Start freeing ENI {eni}
1.20.0- Start freeing ENI {eni} from network card {card}
1.0.0-1.3.4 Trying to free eni: {eni}
1.4.0- Trying to free ENI: {eni}
1.5.0- Successfully detached ENI: {eni}
1.0.0-1.3.4 Successfully deleted eni: {eni}
1.4.0- Successfully deleted ENI: {eni}
1.0.0-1.3.4 Successfully freed eni: {eni}
1.4.0- Successfully freed ENI: {eni}
1.4.0- ENI {eni} not found. It seems to be already freed
1.6.0- ENI {eni} has already been deleted
[eni-free-failed]
1.4.0- Failed to free ENI {eni}, err: {err}
[eni-excluded]
1.6.1-1.9.0 Marking ENI {eni} tagged with {tag} as being unmanaged
1.9.1- Marking ENI {eni} as being unmanaged
1.9.1- Skipping ENI {eni}: since it is unmanaged
1.7.10-1.19.6 Skipping ENI {eni}: since on non-zero network card
1.22.0- Marking {type} ENI {eni} as excluded from pod IP allocation (in excluded subnet {subnet})
1.22.0- ENI {eni} marked as excluded from pod IP allocation
1.22.0- ENI {eni} marked as available for pod IP allocation
1.22.0- Successfully removed empty CIDR {cidr} from excluded ENI {eni}
[leaked-enis]
1.6.0- Will attempt to clean up AWS CNI leaked ENIs after waiting {duration}.
1.6.0- Checking for leaked AWS CNI ENIs.
1.6.0-1.7.10 Found {n} available instances with the AWS CNI tag.
1.8.0- Found {n} leaked ENIs with the AWS CNI tag.
1.6.0- No AWS CNI leaked ENIs found.
1.8.0- Cleaned up leaked CNI ENI {eni}
1.6.0- Failed to clean up leaked ENI {eni}: {err}
1.6.0- Unable to get leaked ENIs: {err}
[trunk]
1.13.0- Trunk interface ({eni}) has been added to the node already.
1.7.6-1.14.1 No slot available for a trunk ENI to be attached. Not labeling the node
1.15.0- No slot available for a trunk ENI to be attached.
1.15.0- Successfully added feature {feature} to CNINode if not existing
1.7.0- Send AddNetworkReply: No trunk ENI found, cannot add a pod ENI
1.7.0- Send AddNetworkReply: No trunk ENI Link Index found, cannot add a pod ENI
1.7.0- Send AddNetworkReply: failed to get Branch ENI resource
1.7.0- Failed to parse pod-ENI annotation: {json}
1.10.2- Pod vlandId: {vlan}
1.7.6- {eni} is of type: {type}
"""

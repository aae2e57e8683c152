"""Wordings about assigns and unassigns. `vpcipam.inspection.log.wording` explains the format."""

TABLE = r"""
[add-received]
1.0.0-1.5.7 Received AddNetwork for NS {netns}, Pod {pod}, NameSpace {ns}, Container {container}, ifname {ifname}
1.6.0-1.6.4 Received AddNetwork for NS {netns}, Pod {pod}, NameSpace {ns}, Sandbox {container}, ifname {ifname}
1.7.0- Received AddNetwork for NS {netns}, Sandbox {container}, ifname {ifname}
1.7.0- AddNetworkRequest: {proto}
[assign-stats]
1.0.0-1.4.1 AssignIPv4Address: IP address pool stats: total:{total}, assigned {assigned}
1.5.0-1.12.6 AssignIPv4Address: IP address pool stats: total: {total}, assigned {assigned}
1.13.0-1.15.5 AssignIPv4Address: IP address pool stats: total {total}, assigned {assigned}
1.16.0- AssignPodIPv4Address: IP address pool stats: total {total}, assigned {assigned}
1.10.0-1.15.5 AssignIPv6Address: IPv6 address pool stats: assigned {assigned}
1.16.0- AssignPodIPv6Address: IPv6 address pool stats: assigned {assigned}
[assigned]
1.0.0-1.4.1 AssignPodIPv4Address Assign IP {ip} to pod (name {pod}, namespace {ns} container {container})
1.5.0-1.5.7 AssignPodIPv4Address: Assign IP {ip} to pod (name {pod}, namespace {ns} container {container})
1.6.0-1.6.4 AssignPodIPv4Address: Assign IP {ip} to pod (name {pod}, namespace {ns} sandbox {container})
1.7.0-1.15.5 AssignPodIPv4Address: Assign IP {ip} to sandbox {key}
1.16.0-1.19.6 assignPodIPAddressUnsafe: Assign IP {ip} to sandbox {key}
1.20.0- assignPodIPAddressUnsafe: Assign IP {ip} to sandbox {key} with metadata {metadata}
1.0.0-1.4.1 AssignPodIPv4Address Reassign IP {ip} to pod (name {pod}, namespace {ns})
1.5.0-1.6.4 AssignPodIPv4Address: Reassign IP {ip} to pod (name {pod}, namespace {ns})
[assigned-before]
1.0.0-1.5.7 AssignPodIPv4Address: duplicate pod assign for IP {ip}, name {pod}, namespace {ns}, container {container}
1.6.0-1.6.4 AssignPodIPv4Address: duplicate pod assign for IP {ip}, name {pod}, namespace {ns}, sandbox {container}
1.7.0- AssignPodIPv4Address: duplicate pod assign for sandbox {key}
1.10.0- AssignPodIPv6Address: duplicate pod assign for sandbox {key}
[address-picked]
1.9.0- New IP from CIDR pool- {ip}
1.10.0- New v6 IP from PD pool- {ip}
1.21.2- Allocating new IP {ip} from CIDR {cidr} for pod
[cooldown-over]
1.21.2- Reassigning IP {ip} (was free for {duration})
1.21.2- IP {ip} released from cooldown after {duration}, available for reassignment in CIDR {cidr}
[no-address]
1.0.0-1.8.0 DataStore has no available IP addresses
1.9.0- DataStore has no available IP/Prefix addresses
1.0.0-1.4.1 AssignPodIPv4Address, skip ENI {eni} that does not have available addresses
1.5.0-1.6.4 AssignPodIPv4Address: Skip ENI {eni} that does not have available addresses
1.7.0- AssignPodIPv4Address: ENI {eni} does not have available addresses
[add-reply]
1.0.0-1.9.3 Send AddNetworkReply: IPv4Addr {ip}, DeviceNumber: {device}, err: {err}
1.10.0-1.16.0 Send AddNetworkReply: IPv4Addr {ip4}, IPv6Addr: {ip6}, DeviceNumber: {device}, err: {err}
1.16.2-1.19.6 Send AddNetworkReply: IPv4Addr: {ip4}, IPv6Addr: {ip6}, DeviceNumber: {device}, err: {err}
1.20.0- Assigned IP from network card: {card} -> IPv4: {ip4}, IPv6: {ip6}, device number: {device},
1.20.0- Failed to assign IPs from network card {card}: {err}
1.20.0- Returning failure response for AddNetwork: {err}
1.20.0- Send AddNetworkReply: Success: {bool} IPAddr: {protos}, resp: {proto}, err: {err}
[rejected]
1.7.0- Rejecting AddNetwork request: {err}
1.7.0- Rejecting DelNetwork request: {err}
[del-received]
1.0.0-1.5.7 Received DelNetwork for IP {ip}, Pod {pod}, Namespace {ns}, Container {container}
1.6.0-1.6.4 Received DelNetwork for IP {ip}, Pod {pod}, Namespace {ns}, Sandbox {container}
1.7.0- Received DelNetwork for Sandbox {container}
[unassign-stats]
1.0.0-1.4.1 UnAssignIPv4Address: IP address pool stats: total:{total}, assigned {assigned}, pod(Name: {pod}, Namespace: {ns}, Container
    {container})
1.5.0-1.5.7 UnassignPodIPv4Address: IP address pool stats: total:{total}, assigned {assigned}, pod(Name: {pod}, Namespace: {ns},
    Container {container})
1.6.0-1.6.4 UnassignPodIPv4Address: IP address pool stats: total:{total}, assigned {assigned}, pod(Name: {pod}, Namespace: {ns},
    Sandbox {container})
1.7.0-1.9.3 UnassignPodIPv4Address: IP address pool stats: total:{total}, assigned {assigned}, sandbox {key}
1.10.0-1.12.6 UnassignPodIPAddress: IP address pool stats: total:{total}, assigned {assigned}, sandbox {key}
1.13.0- UnassignPodIPAddress: IP address pool stats: total {total}, assigned {assigned}, sandbox {key}
[unassigned]
1.0.0-1.4.1 UnAssignIPv4Address: pod (Name: {pod}, NameSpace {ns} Container {container})'s ipAddr {ip}, DeviceNumber{device}
1.5.0-1.5.7 UnassignPodIPv4Address: pod (Name: {pod}, NameSpace {ns} Container {container})'s ipAddr {ip}, DeviceNumber{device}
1.6.0-1.6.4 UnassignPodIPv4Address: pod (Name: {pod}, NameSpace {ns} Sandbox {container})'s ipAddr {ip}, DeviceNumber{device}
1.7.0-1.9.3 UnassignPodIPv4Address: sandbox {key}'s ipAddr {ip}, DeviceNumber {device}
1.10.0- UnassignPodIPAddress: sandbox {key}'s ipAddr {ip}, DeviceNumber {device}
[cleared]
1.7.0-1.9.3 UnAssignPodIPv4Address: Unassign IP {ip} from sandbox {key}
1.10.0-1.15.5 UnAssignPodIPAddress: Unassign IP {ip} from sandbox {key}
1.16.0- unassignPodIPAddressUnsafe: Unassign IP {ip} from sandbox {key}
[unknown-sandbox]
1.0.0-1.4.1 UnassignIPv4Address: Failed to find pod {pod} namespace {ns} Container {container}
1.5.0-1.5.7 UnassignPodIPv4Address: Failed to find pod {pod} namespace {ns} Container {container}
1.6.0-1.6.4 UnassignPodIPv4Address: Failed to find pod {pod} namespace {ns}, sandbox {container}
1.7.0-1.9.3 UnassignPodIPv4Address: Failed to find sandbox {key}
1.10.0- UnassignPodIPAddress: Failed to find sandbox {key}
[migrated-key]
1.10.0- UnassignPodIPAddress: Failed to find IPAM entry under full key, trying CRI-migrated version
[cooldown]
1.21.2- IP {ip} entering cooldown period of {duration} (available after {rfc3339})
[del-reply]
1.0.0-1.16.0 Send DelNetworkReply: IPv4Addr {ip}, DeviceNumber: {device}, err: {err}
1.16.2-1.19.3 Send DelNetworkReply: IPv4Addr: {ip4}, IPv6Addr: {ip6}, DeviceNumber: {device}, err: {err}
1.19.4-1.19.6 Send DelNetworkReply: IPv4Addr: {ip4}, IPv6Addr: {ip6}, DeviceNumber: {device}, NetworkPolicyMode: {mode}, err: {err}
1.20.0- Send DelNetworkReply: IPAddress: {protos}, err: {err}
"""

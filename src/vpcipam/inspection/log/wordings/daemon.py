"""Wordings about the daemon's start, settings and checkpoint. `vpcipam.inspection.log.wording` explains the format."""

TABLE = r"""
[start]
1.0.0- Starting L-IPAMD {version}  ...
[ready]
1.6.0-1.6.4 Serving RPC Handler on {addr}
1.7.0-1.22.4 Serving RPC Handler version {version} on {addr}
1.23.0- Serving RPC Handler version {version} on unix:{socket}
[init-started]
1.5.0- Start node init
[init-done]
1.13.0- node init completed successfully
[init-failed]
1.5.3- Initialization failure: {err}
1.3.4,1.4.1-1.5.2 Initialization failure
[shutdown]
1.6.0- Received shutdown signal, setting 'terminating' to true
1.6.0- AWS CNI is terminating, not detaching any ENIs
1.6.0- AWS CNI is terminating, will not try to attach any new IPs or ENIs right now
[api-server]
1.19.4- API server connectivity established.
1.19.4- Proceeding without API server connectivity, will run background API server connectivity check
1.19.4- API server connection lost, continuing with current maxPods value
1.19.4- Updated maxPods from {old} to {new} based on node capacity
[instance]
1.0.0- Found instance-id: {id}
1.0.0- Found instance-type: {type}
1.0.0- Found subnet-id: {subnet}
1.4.0- Found availability zone: {az}
[limits]
1.0.0-1.4.1 Discovered the instance max ENI allowed is: {maxENI}
1.4.0- Using MAX_ENI {n}
1.9.0- max prefix {prefixes} max ips {ips}
1.9.0- Max ip per ENI {ips} and max prefixes per ENI {prefixes}
1.9.1- Instance type limits are missing from vpc_ip_limits.go hence making an EC2 call to fetch the limits
[limits-failed]
1.9.1- Failed to get ENI limits from file:vpc_ip_limits or EC2 for {type}
[mode]
1.9.0- Custom networking enabled {bool}
1.9.0- Prefix Delegation enabled {bool}
1.18.0- Subnet discovery enabled {bool}
1.9.0- Prefix delegation is not supported on non-nitro instance {type} hence falling back to default (secondary IP) mode
[targets]
1.0.0-1.4.1 Using WARM-ENI-TARGET {n}
1.5.0- Using WARM_ENI_TARGET {n}
1.1.0-1.4.1 Using WARM-IP-TARGET {n}
1.5.0- Using WARM_IP_TARGET {n}
1.6.0- Using MINIMUM_IP_TARGET {n}
1.9.0- Using WARM_PREFIX_TARGET {n}
1.16.3- IP pool manager - max pods: {maxPods}, warm IP target: {warmIP}, warm prefix target: {warmPrefix}, warm ENI target: {warmENI},
    minimum IP target: {minIP}
[recovering]
1.0.0-1.5.7 Recovered AddNetwork for Pod {pod}, Namespace {ns}, Container {container}
1.6.0-1.6.4 Recovered AddNetwork for Pod {pod}, Namespace {ns}, Sandbox {container}
[not-recovered]
1.0.0-1.4.1 During ipamd init, failed to use pod ip {ip} returned from Kubelet {err}
1.5.0-1.5.7 During ipamd init, failed to use pod IP {ip} returned from Kubelet {err}
1.6.0-1.6.3 During ipamd init, failed to use pod IP {ip} returned from Kubernetes API Server {err}
1.6.4 During ipamd init, failed to use pod IP {ip} returned from CRI {err}
[local-pods]
1.6.0-1.6.4 getLocalPodsWithRetry() found {n} local pods
[pod-seen]
1.0.0-1.7.10 Add/Update for Pod {pod} on my node, namespace = {ns}, IP = {ip}
[checkpoint-read]
1.7.0-1.12.5 Reading ipam state from CRI
1.7.0-1.11.5 Reading ipam state from backing store
1.12.0- Begin ipam state recovery from backing store
[no-checkpoint]
1.7.0-1.11.5 backing store restore returned err {err}
1.12.0- backing store doesn't exists, assuming bootstrap on a new node
[recovery-done]
1.7.0- Completed ipam state recovery
[restored]
1.7.0- Recovered {key} => {eni}/{ip}
[not-restored]
1.7.0-1.9.3 datastore: Sandbox {key} uses unknown IPv4 {ip} - presuming stale/dead
1.10.0- datastore: Sandbox {key} uses unknown IP Address {ip} - presuming stale/dead
1.12.0-1.12.6 ignore IP allocation for {container}:{ipv4},{ipv6} due to {err}
1.13.0- stale IP allocation for ID({container}): IPv4({ipv4}), IPv6({ipv6}) due to {err}
[rules-pruned]
1.13.0- Pruning potentially stale IP rules
[checkpoint-failed]
1.7.0- Failed to update backing store: {err}
1.7.0- Unable to update backing store: {err}
1.13.0- Unable to update backing store after restoration: {err}
"""

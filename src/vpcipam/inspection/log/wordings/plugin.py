"""Wordings about plugin.log. `vpcipam.inspection.log.wording` explains the format."""

TABLE = r"""
[plugin-start]
1.1.0-1.5.7 Starting CNI Plugin {version}  ...
1.6.0 Starting CNI Plugin {version} ...
1.6.1-1.7.10 CNI Plugin version: {version} ...
[plugin-add]
1.0.0- Received CNI add request: ContainerID({container}) Netns({netns}) IfName({ifname}) Args({args}) Path({path}) argsStdinData({json})
[plugin-del]
1.0.0- Received CNI del request: ContainerID({container}) Netns({netns}) IfName({ifname}) Args({args}) Path({path}) argsStdinData({json})
[plugin-add-answered]
1.0.0-1.2.1 Received add network response for pod {pod} namespace {ns} container {container}: {ip}, table {table}
1.3.0-1.3.4 Received add network response for pod {pod} namespace {ns} container {container}: {ip}, table {table} ,external-SNAT:
    {bool}, vpcCIDR: {cidrs}
1.4.0-1.5.7 Received add network response for pod {pod} namespace {ns} container {container}: {ip}, table {table}, external-SNAT:
    {bool}, vpcCIDR: {cidrs}
1.6.0-1.6.4 Received add network response for pod {pod} namespace {ns} sandbox {container}: {ip}, table {table}, external-SNAT: {bool},
    vpcCIDR: {cidrs}
1.7.0-1.10.2 Received add network response for container {container} interface {ifname}: {proto}
1.10.3- Received add network response from ipamd for container {container} interface {ifname}: {proto}
[plugin-add-failed]
1.7.0- Failed to connect to backend server for container {container}: {err}
1.0.0-1.5.7 Error received from AddNetwork grpc call for pod {pod} namespace {ns} container {container}: {err}
1.6.0-1.6.4 Error received from AddNetwork grpc call for pod {pod} namespace {ns} sandbox {container}: {err}
1.7.0- Error received from AddNetwork grpc call for containerID {container}: {err}
1.0.0-1.5.7 Failed to assign an IP address to pod {pod}, namespace {ns} container {container}
1.6.0-1.6.4 Failed to assign an IP address to pod {pod}, namespace {ns} sandbox {container}
1.7.0- Failed to assign an IP address to container {container}
1.0.0-1.5.7 Failed SetupPodNetwork for pod {pod} namespace {ns} container {container}: {err}
1.6.0-1.6.4 Failed SetupPodNetwork for pod {pod} namespace {ns} sandbox {container}: {err}
1.7.0- Failed SetupPodNetwork for container {container}: {err}
1.8.0- Failed to release IP of container {container}
1.17.1- Failed to setup default network policy for Pod Name {pod} and NameSpace {ns}: GRPC returned - {err} Network policy agent
    returned - {reply}
[plugin-del-answered]
1.7.0-1.10.2 Received del network response for pod {pod} namespace {ns} sandbox {container}: {proto}
1.10.3- Received del network response from ipamd for pod {pod} namespace {ns} sandbox {container}: {proto}
1.11.0- Handled CNI del request with prevResult: ContainerID({container}) Netns({netns}) IfName({ifname}) PodNamespace({ns})
    PodName({pod})
1.12.1- Handled pod teardown using prevResult: ContainerID({container}) Netns({netns}) IfName({ifname}) PodNamespace({ns}) PodName({pod})
[plugin-del-unknown]
1.6.0-1.6.4 Pod {pod} in namespace {ns} not found
1.7.0- Container {container} not found
1.13.0- Could not teardown pod using prevResult: ContainerID({container}) Netns({netns}) IfName({ifname}) PodNamespace({ns})
    PodName({pod})
1.7.0- Container {container} did not have a valid IP {protos}
[plugin-del-failed]
1.0.0-1.5.7 Error received from DelNetwork grpc call for pod {pod} namespace {ns} container {container}: {err}
1.7.0- Error received from DelNetwork gRPC call for container {container}: {err}
1.0.0-1.5.7 Failed to process delete request for pod {pod} namespace {ns} container {container}: {err}
1.7.0- Failed to process delete request for container {container}: Success == false
1.7.0- Failed on TeardownPodNetwork for container ID {container}: {err}
[plugin-set-up]
1.0.0-1.5.5 SetupNS: hostVethName={veth},contVethName={if}, netnsPath={netns} table={table}
1.6.0-1.7.1 SetupNS: hostVethName={veth}, contVethName={if}, netnsPath={netns}, table={table}, mtu={mtu}
1.7.2-1.10.4 SetupNS: hostVethName={veth}, contVethName={if}, netnsPath={netns}, deviceNumber={device}, mtu={mtu}
1.11.0-1.19.6 SetupPodNetwork: hostVethName={veth}, contVethName={if}, netnsPath={netns}, v4Addr={v4}, v6Addr={v6},
    deviceNumber={device}, mtu={mtu}
1.20.0- SetupPodNetwork: hostVethName={veth}, contVethName={if}, netnsPath={netns}, ipAddr={ip}, routeTableNumber={table}, mtu={mtu}
1.11.0-1.19.6 SetupBranchENIPodNetwork: hostVethName={veth}, contVethName={if}, netnsPath={netns}, v4Addr={v4}, v6Addr={v6},
    vlanID={vlan}, eniMAC={mac}, subnetGW={gw}, parentIfIndex={parent}, mtu={mtu}, podSGEnforcingMode={mode}
1.11.0-1.19.6 TeardownPodNetwork: containerAddr={ip}, deviceNumber={device}
1.20.0- TeardownPodNetwork: containerAddr={ip}, routeTable={table}
"""

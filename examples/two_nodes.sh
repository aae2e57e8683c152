#!/usr/bin/env bash
# Two fake nodes on this machine: a VPC that is a bridge, a served EC2, and an agent in each node.
#
#   two_nodes.sh up                 start everything
#   two_nodes.sh add NODE POD       add a pod to node 1 or 2, as a container runtime does, and print the plugin's result
#   two_nodes.sh delete NODE POD    delete it
#   two_nodes.sh exec POD COMMAND…  run a command in a pod
#   two_nodes.sh podman NODE ARG…   run podman 3 or 4 on a node, with its CNI back end; needs podman and runc
#   two_nodes.sh down               stop everything
#
# Needs root, iproute2, iptables, nftables, curl, and vpcipam[cli,ec2,serve,datapath] on the path. It changes nothing outside of its namespaces
# and its folder.
set -euo pipefail
folder=${FOLDER:-/run/vpcipam-two-nodes}
prefix=${PREFIX:-vpcipam} # of the names of all namespaces
port=5510
export AWS_ENDPOINT_URL_EC2=http://10.0.1.1:$port AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any

at() { ip netns exec "$prefix-$1" "${@:2}"; }

wait_for() { # FILE PID LOG
    for _ in $(seq 100); do
        if [ -e "$1" ]; then return; fi
        kill -0 "$2" 2>/dev/null || break
        sleep 0.2
    done
    echo "two_nodes.sh: $1 did not appear; try again after 'two_nodes.sh down'. The end of $3:" >&2
    tail -n 3 "$3" >&2
    exit 1
}

metadata() { at vpc curl --silent --fail "$AWS_ENDPOINT_URL_EC2/instance/i-$1/latest/meta-data/$2"; }

up() {
    if [ -e "$folder" ]; then
        echo "two_nodes.sh: the nodes are up already, or were not stopped: 'two_nodes.sh down' stops them" >&2
        exit 1
    fi
    mkdir -p "$folder"
    cat >"$folder/world.toml" <<'WORLD'
[[vpcs]]
cidr = "10.0.0.0/16"
[[subnets]]
id = "subnet-1"
cidr = "10.0.1.0/24"
[[instances]]
id = "i-1"
type = "m5.large"
subnet = "subnet-1"
[[instances]]
id = "i-2"
type = "m5.large"
subnet = "subnet-1"
WORLD
    ip netns add "$prefix-vpc"
    at vpc ip link add vpc type bridge
    at vpc ip address add 10.0.1.1/24 dev vpc
    for device in lo vpc; do at vpc ip link set "$device" up; done
    # Not `at`, of which $! would be the number of a shell.
    ip netns exec "$prefix-vpc" vpcipam serve --host 10.0.1.1 --port "$port" --state "$folder/world.toml" --imds-v1 --ready-file "$folder/url" \
        >"$folder/serve.log" 2>&1 &
    echo $! >"$folder/pids"
    wait_for "$folder/url" $! "$folder/serve.log"
    for node in 1 2; do start_node "$node"; done
}

start_node() {
    local node=$prefix-node-$1
    ip netns add "$node"
    at vpc ip link add "node-$1" type veth peer name eth0 address "$(metadata "$1" mac)" netns "$node"
    at vpc ip link set "node-$1" master vpc up
    for device in lo eth0; do at "node-$1" ip link set "$device" up; done
    at "node-$1" ip address add "$(metadata "$1" local-ipv4)/24" dev eth0
    at "node-$1" ip route add default via 10.0.1.1
    # A VPC delivers each address to the ENI that has it. On this bridge, the node answers for its pods.
    at "node-$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv4/conf/eth0/proxy_arp'
    ip netns exec "$node" vpcipam agent --instance-id "i-$1" --state-folder "$folder/node-$1" --set MAX_ENI=1 >"$folder/agent-$1.log" 2>&1 &
    echo $! >>"$folder/pids"
    wait_for "$folder/node-$1/agent.sock" $! "$folder/agent-$1.log"
}

plugin() { # VERB NODE POD
    echo "{\"cniVersion\": \"1.1.0\", \"name\": \"pods\", \"type\": \"vpcipam-cni\", \"stateFolder\": \"$folder/node-$2\"}" |
        at "node-$2" env CNI_COMMAND="$1" CNI_CONTAINERID="$3" CNI_NETNS="/run/netns/$prefix-$3" CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin \
            CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=$3" vpcipam-cni
}

run_podman() { # NODE ARG…
    local store=$folder/podman-$1
    mkdir -p "$store/net.d"
    echo "{\"cniVersion\": \"1.0.0\", \"name\": \"pods\", \"plugins\": [{\"type\": \"vpcipam-cni\", \"stateFolder\": \"$folder/node-$1\"}]}" \
        >"$store/net.d/10-pods.conflist"
    printf '[network]\nnetwork_backend = "cni"\ncni_plugin_dirs = ["%s"]\nnetwork_config_dir = "%s"\ndefault_network = "pods"\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n' \
        "$(dirname "$(command -v vpcipam-cni)")" "$store/net.d" >"$store/containers.conf"
    # nsenter, since `ip netns exec` hides /sys/fs/cgroup, which runc needs.
    CONTAINERS_CONF=$store/containers.conf nsenter --net="/run/netns/$prefix-node-$1" podman --root "$store/root" --runroot "$store/run" \
        --tmpdir "$store/tmp" --storage-driver vfs --runtime runc "${@:2}"
}

down() {
    if [ -e "$folder/pids" ]; then xargs kill <"$folder/pids" 2>/dev/null || true; fi
    ip netns list | { grep "^$prefix-" || true; } | cut -d " " -f 1 | xargs -r -n 1 ip netns delete
    rm -rf "$folder"
}

case "${1:-}" in
up) up ;;
add)
    ip netns add "$prefix-$3"
    at "$3" ip link set lo up
    plugin ADD "$2" "$3"
    ;;
delete)
    plugin DEL "$2" "$3"
    ip netns delete "$prefix-$3"
    ;;
exec) at "${@:2}" ;;
podman) run_podman "${@:2}" ;;
down) down ;;
*)
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

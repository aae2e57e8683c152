"""Wordings about the pool's counts, decisions and reconciles. `vpcipam.inspection.log.wording` explains the format."""

TABLE = r"""
[pool]
0.1.0-0.1.4 IP pool stats: total={total}, used={assigned}, c.currentMaxAddrsPerENI ={curMax}, c.maxAddrsPerENI = {max}
1.0.0-1.4.1 IP pool stats: total = {total}, used = {assigned}, c.currentMaxAddrsPerENI = {curMax}, c.maxAddrsPerENI = {max}
1.5.0-1.9.3 IP pool stats: total = {total}, used = {assigned}, c.maxIPsPerENI = {max}
1.9.0-1.9.3 Prefix pool stats: total = {total}, used = {assigned}, c.maxIPsPerENI = {max}
1.10.0-1.10.4 IP pool stats: total = {total}, used = {assigned}, IPs in Cooldown = {cooldown}, c.maxIPsPerENI = {max}
1.10.0-1.10.4 Prefix pool stats: total = {total}, used = {assigned}, IPs in Cooldown = {cooldown}, c.maxIPsPerENI = {max}
1.11.0-1.19.6 IP pool stats: Total IPs/Prefixes = {total}/{prefixes}, AssignedIPs/CooldownIPs: {assigned}/{cooldown}, c.maxIPsPerENI =
    {max}
1.11.0-1.19.6 Prefix pool stats: Total IPs/Prefixes = {total}/{prefixes}, AssignedIPs/CooldownIPs: {assigned}/{cooldown},
    c.maxIPsPerENI = {max}
1.20.0- IP pool stats for network card {card}: Total IPs/Prefixes = {total}/{prefixes}, AssignedIPs/CooldownIPs: {assigned}/{cooldown},
    c.maxIPsPerENI = {max}
1.20.0- Prefix pool stats for network card {card}: Total IPs/Prefixes = {total}/{prefixes}, AssignedIPs/CooldownIPs:
    {assigned}/{cooldown}, c.maxIPsPerENI = {max}
1.6.1-1.8.0 IP Address Pool stats: total: {total}, assigned: {assigned}
1.9.0-1.9.3 Datastore Pool stats: total(/32): {total}, assigned(/32): {assigned}, total prefixes(/28): {prefixes}
1.10.0-1.10.4 Datastore Pool stats: total(/32): {total}, assigned(/32): {assigned}, cooldownIPs(/32): {cooldown}, total prefixes(/28):
    {prefixes}
1.9.0-1.9.3 IP/Prefix Address Pool stats: total: {total}, assigned: {assigned}, total prefixes: {prefixes}
1.10.0-1.10.4 IP/Prefix Address Pool stats: total: {total}, assigned: {assigned}, cooldownIPs: {cooldown}, total prefixes: {prefixes}
1.16.3-1.19.6 IP stats - total IPs: {total}, assigned IPs: {assigned}, cooldown IPs: {cooldown}
1.20.0- IP stats for Network Card {card} - total IPs: {total}, assigned IPs: {assigned}, cooldown IPs: {cooldown}
[warm-targets]
1.1.0-1.3.4 Current warm IP stats: target: {target}, total: {total}, used: {assigned}
1.4.0-1.4.1 Current warm IP stats: target: {target}, total: {total}, used: {assigned}, curTarget: {cur}
1.5.0-1.9.3 Current warm IP stats: target: {target}, total: {total}, assigned: {assigned}, available: {available}, short: {short}, over
    {over}
1.10.0-1.10.4 Current warm IP stats: target: {target}, total: {total}, assigned: {assigned}, available: {available}, cooldown:
    {cooldown}, short: {short}, over {over}
1.9.0-1.10.4 Current warm IP stats : target: {target}, total: {total}, assigned: {assigned}, available: {available}, short(prefixes):
    {short}, over(prefixes): {over}
1.11.0-1.16.2 Current warm IP stats : target: {target}, short: {short}, over: {over}, stats: Total IPs/Prefixes = {total}/{prefixes},
    AssignedIPs/CooldownIPs: {assigned}/{cooldown}
1.11.0-1.16.2 Current warm IP stats : target: {target}, short(prefixes): {short}, over(prefixes): {over}, stats: Total IPs/Prefixes =
    {total}/{prefixes}, AssignedIPs/CooldownIPs: {assigned}/{cooldown}
1.9.0- Prefix target is {target}, short of {short} prefixes, free {free} prefixes
1.9.0-1.19.6 ToAllocate: {n}
1.20.0- ToAllocate: {n}, Network Card {card}
[pool-low]
1.5.0-1.19.6 IP pool is too low: available ({available}) < ENI target ({target}) * addrsPerENI ({perENI})
1.20.0- IP pool is too low for Network Card {card}: available ({available}) < ENI target ({target}) * addrsPerENI ({perENI})
1.20.0- is datastore pool low for networkCard {card}, decision {bool}
[pool-high]
1.5.0-1.5.7 It might be possible to remove extra ENIs because available ({available}) > ENI target ({target}) * addrsPerENI ({perENI}):
1.6.0-1.8.0 It might be possible to remove extra ENIs because available ({available}) >= (ENI target ({target}) + 1) * addrsPerENI
    ({perENI}):
1.9.0- It might be possible to remove extra ENIs because available ({available}) >= (ENI/Prefix target + 1 ({target}) + 1) *
    addrsPerENI ({perENI})
1.9.0-1.16.2 Prefix pool is high so might be able to deallocate : free prefixes {free} and warm prefix target {target}
1.16.3-1.19.6 Prefix pool is high so might be able to deallocate - free prefixes: {free}, warm prefix target: {target}
1.20.0- Prefix pool is high so might be able to deallocate - free prefixes: {free}, warm prefix target: {target} from NetworkCard {card}
1.9.0-1.16.2 computeExtraPrefixesOverWarmTarget available {available} over {over} warm_prefix_target {target}
1.16.3- computeExtraPrefixesOverWarmTarget - available: {available}, over: {over}, warm_prefix_target: {target}
[pool-increase]
1.0.0-1.3.4 Start increasing IP Pool size
1.4.0-1.4.1 Start increasing IP pool size
1.5.0-1.8.0 Starting to increase IP pool size
1.9.0-1.19.6 Starting to increase pool size
1.20.0- Starting to increase pool size for network card {card}
1.0.0-1.3.4 Successfully increased IP Pool
1.4.0-1.5.7 Successfully increased IP pool
1.6.0-1.10.4 Successfully increased IP pool, total: {total}, used: {assigned}
1.11.0-1.16.2 Successfully increased IP pool: Total IPs/Prefixes = {total}/{prefixes}, AssignedIPs/CooldownIPs: {assigned}/{cooldown}
1.11.0-1.16.2 Successfully increased Prefix pool: Total IPs/Prefixes = {total}/{prefixes}, AssignedIPs/CooldownIPs: {assigned}/{cooldown}
[pool-decrease]
1.5.0-1.8.0 Starting to decrease IP pool
1.9.0-1.19.6 Starting to decrease Datastore pool
1.16.3-1.19.6 Starting to decrease pool size
1.20.0- Starting to decrease pool size for network card {card}
1.0.0-1.3.4 Successfully decreased IP Pool
1.4.0- Successfully decreased IP pool
1.5.0-1.8.0 Skipping decrease IP pool because time since last {since} <= {interval}
1.9.0- Skipping decrease Datastore pool because time since last {since} <= {interval}
[subnet-full]
1.9.1- Unable to attach IPs/Prefixes for the ENI, subnet doesn't seem to have enough IPs/Prefixes. Consider using new subnet or carve a
    reserved range using create-subnet-cidr-reservation
1.9.1- Recently we had InsufficientCidr error hence will wait for {duration} before retrying
1.19.4- containsInsufficientCIDRsOrSubnetIPs encountered {err}
1.10.2- Insufficient IP Addresses due to: {code}
[node-cordoned]
1.12.6- AWS CNI is on a non schedulable node, not detaching any ENIs
1.12.6- AWS CNI is on a non schedulable node, will not try to attach any new IPs or ENIs right now
1.11.3- Node found {node} - no of taints - {n}
1.11.3- Failed to get node while determining schedulability: {err}
[reconcile-start]
1.0.0-1.6.0 Reconciling ENI/IP pool info...
1.6.1-1.10.4 Reconciling ENI/IP pool info because time since last {since} <= {interval}
1.11.0- Reconciling ENI/IP pool info because time since last {since} > {interval}
[reconcile-done]
1.0.0- Successfully Reconciled ENI/IP pool
[reconcile-eni]
1.0.0- Reconcile existing ENI {eni} IP pool
1.9.0- Reconcile existing ENI {eni} IP prefixes
1.0.0-1.3.4 Reconcile and add a new eni {eni}
1.4.0- Reconcile and add a new ENI {eni}
1.6.1-1.7.5 A new ENI added but not by ipamd, updating tags
1.7.6- A new ENI added but not by ipamd, updating tags by calling EC2
[reconcile-mismatch]
1.7.2- Instance metadata does not match data store! ipPool: {pool}, metadata: {structs}
1.6.1- logOutOfSyncState: DescribeNetworkInterfaces({eni}) yielded private IPv4 addresses {ips} that were not yet found in IMDS.
1.6.1- logOutOfSyncState: IMDS query yielded stale IPv4 addresses {ips} that were not found in DescribeNetworkInterfaces({eni}).
1.6.1- logOutOfSyncState: Primary IPs do not mach for {eni}. IMDS: {imds}, EC2: {ec2}
[reconcile-address]
1.9.0- Trying to add {ip}
1.0.0-1.3.4 Reconciled IP {ip} on eni {eni}
1.4.0-1.6.0 Reconciled IP {ip} on ENI {eni}
1.5.0- Reconcile skipping IP {ip} on ENI {eni} because it was recently unassigned from the ENI.
1.5.0-1.7.1 Skipping IP {ip} on ENI {eni} because it does not belong to this ENI!.
1.7.2- Skipping IP {ip} on ENI {eni} because it does not belong to this ENI!
[primary-skipped]
1.4.0- Reconcile and skip primary IP {ip} on ENI {eni}
[reconcile-failed]
1.4.0- Failed to reconcile IP {ip} on ENI {eni}
1.9.0- Failed to reconcile Prefix {cidr} on ENI {eni}
1.4.0- Failed to reconcile and delete IP {ip} on ENI {eni}, {err}
1.5.0- IP pool reconcile: Failed to get attached ENI info: {err}
1.7.2- IP pool reconcile: No ENI found at all in metadata, unable to reconcile
1.6.1- Failed to call EC2 to describe ENIs, aborting reconcile: {err}
1.7.2- Failed to fetch ENI IP addresses! Aborting reconcile of ENI {eni}
1.5.0- IP pool reconcile: Failed to set up ENI {eni} network: {err}
1.4.0- IP pool reconcile: Failed to delete ENI during reconcile: {err}
[reconcile-cache]
1.5.0-1.8.0 Checking if IP {ip} has been recently freed. Cooldown expires at: {time}. (Cooldown: {bool})
1.9.0- Checking if CIDR {cidr} has been recently freed. Cooldown expires at: {time}. (Cooldown: {bool})
1.5.0- Removing {cidr} from cooldown cache.
[reconcile-drop]
1.0.0-1.3.4 Reconcile and delete ip {ip} on eni {eni}
1.4.0- Reconcile and delete IP {ip} on ENI {eni}
1.9.0- Reconcile and delete Prefix {cidr} on ENI {eni}
"""

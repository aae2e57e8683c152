"""The public import paths of release 0.1. Removing a name from this list is a breaking change.

One exception: `vpcipam.plan` is now only the function; the rest of that module is in `vpcipam.planner`.
"""

import importlib

import pytest

NAMES = {
    "vpcipam": "Action ActionKind AddressMode AddressPool Assignment BitmapPool Cidr Datastore Diagnostic Ec2Api Ec2Error Ec2Model "
    "InstanceLimits Node NodePlan PodRef PoolStats SandboxKey Settings USING_EXTENSION VpcIpamError __version__ instance_limits max_pods "
    "plan",
    "vpcipam.action": "Action ActionKind Restart",
    "vpcipam.address": "AddressMode Cidr IPV4_BITS IPV6_BITS address_text parse_address",
    "vpcipam.datastore": "DEFAULT_COOLDOWN_NS Datastore",
    "vpcipam.ec2.answers": "read_instance read_network_interface read_subnet",
    "vpcipam.ec2.api": "AssignedAddresses Attachment CidrAssociation Ec2Api Ec2Error ErrorCode Instance InstanceLauncher LostAnswer "
    "METADATA_ACTION NetworkInterface OUT_OF_ADDRESSES Subnet SubnetCidrReservation SubnetSpace THROTTLED TagDescription TrunkAssociation "
    "Vpc is_mutating",
    "vpcipam.ec2.boto": "ATTEMPT_COUNT BotoEc2 CLIENT_CONFIG FIRST_PAUSE_S JITTER LONGEST_PAUSE_S PAUSE_FACTOR",
    "vpcipam.ec2.conditions": "Conditions NO_FAULTS",
    "vpcipam.ec2.fake": "Clock fake_client",
    "vpcipam.ec2.faults": "Crash Effect Fault Faults METADATA_EFFECTS NODE_ACTIONS TakenAddress",
    "vpcipam.ec2.latency": "INSTANT Latencies Latency TYPICAL_LATENCIES",
    "vpcipam.ec2.model": "Ec2Model",
    "vpcipam.ec2.pytest_fixtures": "ec2_client ec2_clock ec2_model",
    "vpcipam.ec2.throttle": "ACTION_BUCKETS BucketLevel MUTATING_BUCKET NON_MUTATING_BUCKET Throttle TokenBucket UNFILTERED_BUCKET",
    "vpcipam.errors": "AlreadyAllocated AlreadyAssigned BlockInUse CidrInUse CoolingDown DatastoreError DuplicateEni EniInUse InQuarantine "
    "InvalidAddress InvalidArgument InvalidCidr InvalidSandboxKey JournalConflict JournalCorrupt JournalError JournalFormatError "
    "JournalLocked ManifestError MissingExtra NoFreeRun NodeError NotAllocated NotInPool NotModelled OutOfRange OverlappingBlock "
    "OverlappingCidr PoolError PoolExhausted PoolLocked ScenarioError SettingsError TraceError UnknownBlock UnknownCidr UnknownEni "
    "UnknownInstanceType UnknownKey VpcIpamError",
    "vpcipam.events": "AddressAssigned AddressUnassigned AssignRefused CidrAdded CidrRemoved DatastoreEvent EniAdded EniRemoved "
    "EventWarning OnEvent QuarantineEnded SandboxEvicted SandboxQuarantined",
    "vpcipam.fleet.engine": "Fleet simulate",
    "vpcipam.fleet.export": "write_csv",
    "vpcipam.fleet.metrics": "FleetEvent FleetResult FleetSample SCHEMA_VERSION SubnetSample Summary Waits",
    "vpcipam.fleet.plots": "picture_format plot_comparison plot_result plot_tradeoff",
    "vpcipam.fleet.samples": "FleetSample SubnetSample clock",
    "vpcipam.fleet.scenario": "Ec2Behaviour NodeGroup Reservation SCHEDULINGS Scenario Scheduling SubnetSpec",
    "vpcipam.fleet.summary": "CallSummary SubnetSummary Summary Waits",
    "vpcipam.fleet.sweep": "Changes SweepResult Trial grid read_sweep run_trial some_of sweep",
    "vpcipam.fleet.trace": "COLUMNS TraceFormat read_trace",
    "vpcipam.fleet.tune": "GOALS TuneResult TuneSpec tune",
    "vpcipam.fleet.workload": "Arrivals CombinedWorkload CronJob Deployment EmpiricalLifetime ExponentialLifetime FixedLifetime "
    "FixedWorkload Lifetime LogNormalLifetime PodRun Wave Workload",
    "vpcipam.inspection": "DocumentRead Evidence Fact HeldAddress Releases Skipped Source read_files",
    "vpcipam.inspection.audit": "RULES audit",
    "vpcipam.inspection.finding": "Finding Severity",
    "vpcipam.inspection.observed": "ObservedNode",
    "vpcipam.inspection.read_ec2": "read_node",
    "vpcipam.inspection.survey": "CardSurvey EniSurvey NodeSurvey survey",
    "vpcipam.journal": "Journal MemoryJournal",
    "vpcipam.journal.files": "Files",
    "vpcipam.journal.ipam_json": "IpamJsonFile",
    "vpcipam.journal.protocol": "Assigned Cooling Journal MemoryJournal Released Restored",
    "vpcipam.journal.sqlite": "SqliteJournal",
    "vpcipam.limits": "ADDRESSES_PER_PREFIX COLUMNS HOST_NETWORK_PODS InstanceLimits MaxPodsBy MaxPodsSum all_instance_limits format_row "
    "instance_limits instance_types load_limits max_pods parse_row recommended_max_pods sum_max_pods",
    "vpcipam.node": "Node NodeEvent default_max_pods",
    "vpcipam.planner": "Decision EniPlan NodePlan PODS_LIMIT Stage plan",
    "vpcipam.policies": "AzureCnsPolicy BandPolicy CiliumEniPolicy HysteresisPolicy POLICIES policy_named",
    "vpcipam.pool": "ADDRESS_MAX AddressPool BLOCK_SIZE_MAX BitmapPool CAPACITY_MAX GROUP_MAX PLACEMENTS RUN_LENGTHS SEED_MAX TIME_MAX_NS "
    "UNTIL_MAX_NS USING_EXTENSION",
    "vpcipam.prometheus": "CONTENT_TYPE IpamMetrics MetricFamily Sample",
    "vpcipam.quarantine": "Quarantined",
    "vpcipam.restoration": "Restoration",
    "vpcipam.sandbox": "PodRef SandboxKey",
    "vpcipam.settings": "Diagnostic Level Settings VARIABLES Variable default_max_pods explain resolve_max_pods",
    "vpcipam.stats": "Assignment EniStats PoolStats",
    "vpcipam.testing": "Allocator AllocatorMachine AssignDenied AssignReturned Call CheckedAllocator ConformanceError ContractChecker "
    "ContractEvent Crashed EniAttached EniDetached EniLimits Program Promise RangeAdded RangeRemoved Restarted UnassignReturned Violation "
    "allocator_machine assert_conforms contract_events first_violation",
    "vpcipam.testing.plugin": "PROFILES assert_conforms",
    "vpcipam.testing.strategies": "cidrs ec2_behaviours event_logs fault_plans instance_types lifetimes node_groups node_settings pod_runs "
    "prefixes scenarios subnets variables workloads wrong_variables",
    "vpcipam.warmpool": "FreeEni Grow IpamdPolicy PoolView Shrink SlotRequest TargetState WarmPolicy free_eni grow shrink target_state",
}


@pytest.mark.parametrize("module", NAMES)
def test_every_public_name_can_still_be_imported(module):
    if module.endswith(".plots"):
        pytest.importorskip("matplotlib")
    found = importlib.import_module(module)
    assert [name for name in NAMES[module].split() if not hasattr(found, name)] == []


def test_plan_is_the_function():
    assert callable(importlib.import_module("vpcipam").plan)

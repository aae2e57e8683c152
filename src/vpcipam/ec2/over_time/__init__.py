"""How the EC2 model behaves over time: throttling, latency, stale reads and faults."""

"""The model of EC2 over time: latency, throttling, faults, and answers that lag behind."""

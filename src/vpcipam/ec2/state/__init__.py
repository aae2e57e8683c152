"""What the model of EC2 holds: VPCs, subnets, ENIs, instances, and the rules for changing them."""

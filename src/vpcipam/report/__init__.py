"""Pictures of a fleet's run; needs matplotlib (`vpcipam[plots]`)."""

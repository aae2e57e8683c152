"""What answers the offline boto3 client of `vpcipam.ec2.fake`: EC2's requests and answers, read from and written to the wire."""

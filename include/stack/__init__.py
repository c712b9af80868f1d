"""The stack on AWS: the state machine, its Lambda function, the template, and what packages and deploys them."""

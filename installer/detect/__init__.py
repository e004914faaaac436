"""What a machine is, concluded from facts."""

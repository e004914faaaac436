"""Many machines: wish, plan, act."""

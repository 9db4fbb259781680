"""People decide: the queue, what they see, decisions, and a simulated reviewer for demos."""

"""Integer-only networks: records of nodes, and operators that use integers alone."""

"""Block formats, and the rules by which numbers get into them, in declared steps."""

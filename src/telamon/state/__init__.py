"""SQL metadata: one module per table, one function per statement."""

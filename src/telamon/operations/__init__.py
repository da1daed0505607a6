"""What Telamon does, one module per resource. Knows no HTTP."""

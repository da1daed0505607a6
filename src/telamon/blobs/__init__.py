"""Object storage: named, immutable byte strings."""

"""The ``telamon`` command."""

"""What an operator says, by what it is about: keys of ``monitor.yaml``."""

"""The outside world: each module here is the only one that imports its library."""

"""Stand-ins for the outside world that speak its real protocol: for development without keys, and for the tests.

Production never starts with one.
"""

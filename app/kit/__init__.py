"""Machinery: turns a declared table into a REST resource. Knows no table by name."""

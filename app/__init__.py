"""Souk: an admin-first commerce back end."""

"""The back office: SQLAdmin's frame and addresses, our reading, writing and rules. `site.mount_admin` starts it."""

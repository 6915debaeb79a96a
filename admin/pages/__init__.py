"""The pages of the back office, one kind a file. Each handler takes the request and gives the whole answer."""

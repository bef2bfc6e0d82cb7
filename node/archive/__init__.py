"""The archive of a cluster's public entries: made by a node, verified without one."""

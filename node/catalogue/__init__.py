"""The catalogue: everything this node publishes, its states and its versions."""

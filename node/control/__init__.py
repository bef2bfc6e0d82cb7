"""Commands to a node: over a socket while it serves, directly when it does not.

`COMMANDS` in `node.control.registry` names every command once. `node.control.server`
runs them in the serving process, `node.control.direct` in the caller's own; both
end in the same application functions (SPEC CLI). This package imports nothing
by itself, so that a client starts fast.
"""

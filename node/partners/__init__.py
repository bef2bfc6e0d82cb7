"""Partner clusters: invitations, confirmation, state and history."""

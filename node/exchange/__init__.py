"""The exchange: pages built, sent, received and acknowledged (SPEC EXC)."""

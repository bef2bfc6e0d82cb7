"""Signatures of requests (RFC 9421), of bodies (RFC 9530) and inside documents."""

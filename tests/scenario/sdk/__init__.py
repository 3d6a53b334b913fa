"""Clients that others wrote: the official SDKs, curl, nghttp and h2spec."""

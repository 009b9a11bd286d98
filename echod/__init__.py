"""
echod: TCP and UDP echo and reply services from one YAML file, and the clients that prove them.

The way of a message: kernel, `echod.transport`, `echod.tcp` or `echod.udp` (which ask `echod.guard`),
`echod.framing`, `echod.answers`, and back the same way.
"""

__version__ = "0.1.0"

"""
How bytes move: sockets, polling, buffers. Nothing here knows what is answered.

`listening` turns a listening description into ports; `accept` and `stream` move TCP and Unix streams, `datagram` moves
UDP and Unix datagrams, `poller` spares them turns of the reactor.
"""

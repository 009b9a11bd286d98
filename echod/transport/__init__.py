"""
How bytes move: sockets, polling, buffers. Nothing here knows what is answered.

The way in: `sockets` opens and binds, `listening` turns a listening description into ports, `inherited` takes sockets
that were passed, `accept` accepts, `proxied` reads the header of a proxy first, `turning_away` and `vanished` end well.

The way of a stream: `poller` spares it the turns of the reactor, `stream` writes at once what the kernel takes,
`echoing` sends back without showing it to a protocol, `pipe` without copying it. The way of a datagram: `datagram`,
one at a time, from the address that was hit (`packet_info`); `reflect` and `mmsg`, a batch at a time. `paths` says
which of these a service takes. Each module begins with its trick, and with what it saves.
"""

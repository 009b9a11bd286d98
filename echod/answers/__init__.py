"""
What to say: one module for each protocol, bytes in, bytes out; no Twisted, no sockets, no clock of its own.

`echod.answers.answer` has the words; `echod.answers.choose` makes the answer that a service's settings ask for.
"""

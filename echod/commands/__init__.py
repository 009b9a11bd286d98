"""
The `echod` command, a module for each of its words; `echod.cli` reads the command line.

What a command computes is apart from what it does: `statistics`, `targets`, `notes`, `arguments` and `pinging` need
neither a socket nor a reactor.
"""

"""Who may, how much, and when it is enough. No sockets: addresses, counts and times go in, decisions come out."""

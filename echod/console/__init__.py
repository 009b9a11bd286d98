"""
The console: the services over HTTP, for a page in a browser and for programs (design, section 7).

`echod.console.site.Console` is the way in. What a request may do is asked in `guarding`, what it does is in `api`.
"""

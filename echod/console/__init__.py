"""The console: a page in a browser, and the interface over HTTP behind it."""

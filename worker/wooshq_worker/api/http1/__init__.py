"""The HTTP/1.1 client of the API: connect, make one call per connection at a time, keep connections. Nothing here knows the API or a verdict."""

"""What every call of the HTTP API shares: routes, bodies, problems, cursors, the OpenAPI document. Nothing here knows a noun of wooshq."""

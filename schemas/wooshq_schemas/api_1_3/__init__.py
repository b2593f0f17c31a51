"""Turns a `createMessage` body of API 1.3 into intents, and lists the fields that v2 does not have. For people who move to wooshq."""

"""What a `createMessage` body of API 1.3 says, as intents, and what of it has no counterpart in v2. For people who move to wooshq."""

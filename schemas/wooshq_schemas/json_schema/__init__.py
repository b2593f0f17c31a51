"""The JSON Schema files of intents and requests, and the code that writes them: `python -m wooshq_schemas.json_schema`."""

"""Cancel a message that Pushwoosh holds until its schedule: ask the API, judge its answer, ask again if need be."""

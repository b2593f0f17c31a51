"""Cancel a message that Pushwoosh keeps until its schedule: ask the API, judge its answer, ask again if necessary."""

"""A recipient of a fan-out (`recipient`), made from a row under a header (`columns`) or from a mapping (`mapping`), and its checks."""

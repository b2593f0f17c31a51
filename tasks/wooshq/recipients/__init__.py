"""The recipients of a fan-out, read from a file or a stream row by row, in constant memory."""

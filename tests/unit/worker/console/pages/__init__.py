"""The parts of the console's pages that need no server and no browser."""

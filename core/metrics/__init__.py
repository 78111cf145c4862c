"""The measures, as pure functions of arrays; nothing here reads a file."""

"""The commands of `bridge`, one module each: DESCRIPTION, EXAMPLES, `add_arguments` and `run`."""

"""The areas of the command line, one module each; all import only the standard library and typer at the top."""

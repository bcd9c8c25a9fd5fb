"""The command line. Nothing here imports temporalio, and reading a run does not import the author's code."""

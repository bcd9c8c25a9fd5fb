"""One file per command, each imported only when its command is called."""

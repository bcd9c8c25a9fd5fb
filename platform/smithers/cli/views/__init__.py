"""What a run looks like to a person, as plain JSON values: shared by every surface."""

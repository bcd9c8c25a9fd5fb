"""Documents, lists and drawings that only commands make. What programs say, too, is in `smithers.views`."""

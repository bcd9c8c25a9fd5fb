"""What programs call: `run` and `start`, the same as `smithers up` without a terminal."""

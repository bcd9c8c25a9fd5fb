"""`smithers up`: a viewer that talks to a person, and a worker process of its own that runs the tasks."""

"""cwltool in a process of its own: the run, and each step watched while it runs."""

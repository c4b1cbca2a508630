"""What runs inside the job pod: its first process, Calrissian's launcher, and the pods of steps."""

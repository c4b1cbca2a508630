"""What a ZOO kernel gives and takes, in parts; `zoo_runner.kernel` is the door that uses them."""

"""What a ZOO kernel gives and takes, in parts; `zoo_runner.zoo.service` is the door that uses them."""

# The deploy service puts the application package here.

"""Property tests of this tier are short; tests/contract/test_fuzz.py looks longer."""

from hypothesis import HealthCheck, settings

# how busy the machine is says nothing of the code
settings.register_profile("unit", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")

{%- set function = cookiecutter.workflow_id|replace("-", "_") -%}
{%- if cookiecutter.workflow_id is not callable_by_kernel -%}
{{ the_process_id_must_be_a_letter_or_underscore_then_letters_digits_underscores_and_hyphens_and_no_python_keyword }}
{%- elif cookiecutter.workflow_id is importable -%}
{{ the_process_id_is_the_name_of_a_python_module_choose_another }}
{%- endif -%}
"""The process {{cookiecutter.workflow_id}}; everything that it does is in the package zoo-runner."""

import os
import sys

# no process deployed beside this one may pass for a module
sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

from zoo_runner.kernel import run_service  # noqa: E402


def {{function}}(conf, inputs, outputs):
    """Called by the kernel."""
    return run_service(conf, inputs, outputs, "{{cookiecutter.workflow_id}}", __file__)

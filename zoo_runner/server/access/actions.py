"""What each operation of the API is called in a policy."""

from collections.abc import Mapping

ACTIONS: Mapping[str, str] = {
    "get_landing_page": "workspace.read",
    "get_conformance": "workspace.read",
    "list_processes": "process.list",
    "describe_process": "process.read",
    "get_package": "process.package",
    "deploy_process": "process.deploy",
    "replace_process": "process.replace",
    "undeploy_process": "process.undeploy",
    "execute_process": "process.execute",
    "execute_by_address": "process.execute",
    "list_jobs": "job.list",
    "list_failures": "job.list",
    "compare_jobs": "job.compare",
    "act_on_jobs": "job.several",
    "get_job": "job.status",
    "stream_events": "job.logs",
    "dismiss_job": "job.dismiss",
    "dismiss_by_form": "job.dismiss",
    "start_by_form": "job.start",
    "repeat_job": "process.execute",
    "edit_by_form": "job.inputs",
    "fill_form_by_json": "process.read",
    "create_job": "job.create",
    "edit_job": "job.edit",
    "start_job": "job.start",
    "retry_job": "job.retry",
    "get_definition": "job.inputs",
    "get_inputs": "job.inputs",
    "validate_job": "job.inputs",
    "get_results": "job.results",
    "get_result": "job.results",
    "get_result_item": "job.results",
    "get_result_file": "job.results",
    "remove_results": "job.remove-results",
    "share_result": "link.create",
    "list_uses": "process.list",
    "search_items": "catalog.search",
    "get_quicklook": "job.results",
    "list_logs": "job.logs",
    "get_log": "job.logs",
    "send_files": "file.send",
    "describe_files": "file.read",
    "get_file": "file.read",
    "delete_files": "file.delete",
    "get_usage": "workspace.usage",
    "get_audit": "audit.read",
    "get_operations": "operations.read",
    "check_engine": "operations.read",
    "list_people": "operations.read",
    "create_token": "token.create",
    "list_tokens": "token.list",
    "revoke_token": "token.revoke",
    "revoke_by_form": "token.revoke",
    "put_secret": "secret.put",
    "list_secrets": "secret.list",
    "remove_secret": "secret.remove",
}
"""By the name of the function that answers; a path that has none here fails, and a test finds it."""

OPERATORS_ONLY = frozenset({"audit.read", "operations.read"})
"""What needs the role of an operator too, where no policy decides."""
OPERATORS_TOO = frozenset({"job.list", "job.status", "job.logs", "job.callers"})
"""What operators may in every workspace, where no policy decides: to find the jobs of somebody, and why they failed."""
FURTHER = frozenset({"job.callers"})
"""Actions of policies that no operation has for itself: whether it may be known who asked for jobs."""

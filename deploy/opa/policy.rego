# Who may do what with the HTTP server of zoo-runner: `ZOO_RUNNER_OPA_URL=http://127.0.0.1:8181/v1/data/zoo_runner/decision`
#
#   opa run --server --addr 127.0.0.1:8181 deploy/opa/policy.rego access.json
#
# The members of a workspace do everything there. Operators find the jobs of all workspaces, who asked for them, and their
# logs. Whoever has a token reads and executes what a workspace publishes: the
# description and package of a public process, and status, logs and results of its jobs in that workspace that have
# ended. An execution by others is a job of their own workspace. What is public is in the access document of the
# workspace, which the server sends (`input.access`), or in the data here,
# `{"workflow_access": {"<workspace>": {"workflows": {"<process>": {"access": "public"}}}}}`.
# A personal token (`input.caller.by`) is for one workspace, and its actions are checked by the server before this.
# What is asked and answered is in docs/api.md. Test it: opa test deploy/opa
package zoo_runner

default decision := {"allow": false, "reason": "only members of the workspace may"}

decision := {"allow": false, "reason": "only operators may"} if {
	for_operators
	not is_operator
}

decision := {"allow": true, "reason": "an operator"} if {
	for_operators
	is_operator
}

decision := {"allow": true, "reason": "an operator, who looks for jobs"} if looks_for_jobs

decision := {"allow": true, "reason": "a member of the workspace"} if {
	not for_operators
	is_member
}

decision := {"allow": true, "reason": "a public process", "processes": sort(public_processes)} if {
	not for_operators
	not is_member
	not looks_for_jobs
	is_known
	uses_public
}

is_member if input.workspace in input.caller.workspaces

for_operators if input.action in {"audit.read", "operations.read"}

looks_for_jobs if {
	is_operator
	not is_member
	input.action in {"job.list", "job.status", "job.logs", "job.callers"}
}

is_operator if "operator" in input.caller.roles

is_known if input.caller.name

public_processes contains id if {
	some id, workflow in input.access
	workflow.access == "public"
}

public_processes contains id if {
	not is_object(object.get(input, "access", null))
	some id, workflow in data.workflow_access[input.workspace].workflows
	workflow.access == "public"
}

uses_public if input.action in {"workspace.read", "process.list", "job.list"}

uses_public if {
	input.action in {"process.read", "process.package", "process.execute"}
	input.process.id in public_processes
}

uses_public if {
	input.action in {"job.status", "job.logs", "job.results"}
	input.job.has_ended
	input.job.deployed_in == input.workspace
	input.job.process in public_processes
}

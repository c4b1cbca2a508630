# Who may do what with the HTTP server of zoo-runner: `ZOO_RUNNER_OPA_URL=http://127.0.0.1:8181/v1/data/zoo_runner/decision`
#
#   opa run --server --addr 127.0.0.1:8181 deploy/opa/policy.rego access.json
#
# The members of a workspace do everything there. Whoever has a token reads what a workspace publishes: the description
# and package of a public process, and status, logs and results of its jobs that have ended. What is public is in
# the data, `{"workflow_access": {"<workspace>": {"workflows": {"<process>": {"access": "public"}}}}}`.
# What is asked and answered is in docs/api.md. Test it: opa test deploy/opa
package zoo_runner

default decision := {"allow": false, "reason": "only members of the workspace may"}

decision := {"allow": true, "reason": "a member of the workspace"} if is_member

decision := {"allow": true, "reason": "a public process", "processes": sort(public_processes)} if {
	not is_member
	is_known
	reads_public
}

is_member if input.workspace in input.caller.workspaces

is_known if input.caller.name

public_processes contains id if {
	some id, workflow in data.workflow_access[input.workspace].workflows
	workflow.access == "public"
}

reads_public if input.action in {"workspace.read", "process.list", "job.list"}

reads_public if {
	input.action in {"process.read", "process.package"}
	input.process.id in public_processes
}

reads_public if {
	input.action in {"job.status", "job.logs", "job.results"}
	input.job.has_ended
	input.job.process in public_processes
}

package zoo_runner_test

import data.zoo_runner

access := {"alpha": {"workflows": {
	"ndvi": {"access": "public"},
	"hidden": {"access": "private"},
}}}

ada := {"name": "ada", "workspaces": ["alpha"]}

ben := {"name": "ben", "workspaces": ["beta"]}

ended := {"id": "1", "process": "ndvi", "status": "successful", "caller": "ada", "has_ended": true, "deployed_in": "alpha"}

ask(caller, action, facts) := decision if {
	question := object.union({"action": action, "workspace": "alpha", "caller": caller, "process": null, "job": null}, facts)
	decision := zoo_runner.decision with input as question with data.workflow_access as access
}

test_members_do_everything if {
	every action in ["process.deploy", "process.execute", "job.list", "job.dismiss", "job.remove-results", "file.send", "job.results"] {
		ask(ada, action, {}).allow
	}
	not ask(ada, "job.list", {}).processes
}

test_others_change_nothing if {
	every action in ["process.deploy", "process.replace", "process.undeploy", "job.create", "job.edit", "job.start", "job.retry", "job.dismiss", "job.several", "job.compare", "link.create", "file.send", "file.read", "file.delete", "job.inputs"] {
		not ask(ben, action, {"process": {"id": "ndvi"}, "job": ended}).allow
	}
}

test_others_list_what_is_public if {
	ask(ben, "process.list", {}).processes == ["ndvi"]
	ask(ben, "job.list", {}).processes == ["ndvi"]
}

test_others_read_public_processes_and_their_jobs_that_have_ended if {
	ask(ben, "process.read", {"process": {"id": "ndvi"}}).allow
	not ask(ben, "process.read", {"process": {"id": "hidden"}}).allow
	ask(ben, "job.results", {"job": ended}).allow
	not ask(ben, "job.results", {"job": object.union(ended, {"has_ended": false})}).allow
	not ask(ben, "job.results", {"job": object.union(ended, {"process": "hidden"})}).allow

	# lists that are narrowed to processes show no others either
	every action in ["job.status", "job.logs", "job.results"] {
		ask(ben, action, {"job": ended}).allow
		not ask(ben, action, {"job": object.union(ended, {"status": "running", "has_ended": false})}).allow
	}

	# a process of the same id in another workspace
	not ask(ben, "job.results", {"job": object.union(ended, {"deployed_in": "gamma"})}).allow
}

test_others_execute_public_processes if {
	ask(ben, "process.execute", {"process": {"id": "ndvi"}}).allow
	not ask(ben, "process.execute", {"process": {"id": "hidden"}}).allow
	not ask(ben, "process.execute", {"process": null}).allow
}

test_an_access_document_takes_the_place_of_the_data if {
	document := {"hidden": {"access": "public"}}
	ask(ben, "process.read", {"process": {"id": "hidden"}, "access": document}).allow
	not ask(ben, "process.read", {"process": {"id": "ndvi"}, "access": document}).allow
	not ask(ben, "process.read", {"process": {"id": "ndvi"}, "access": {}}).allow
}

test_nobody_without_a_name_is_let_in if {
	every action in ["process.list", "process.read", "job.list"] {
		not ask(null, action, {"process": {"id": "ndvi"}}).allow
	}
}

test_members_know_who_asked_for_jobs_and_others_do_not if {
	ask(ada, "job.callers", {}).allow
	not ask(ben, "job.callers", {}).allow
	not ask(null, "job.callers", {}).allow
}

test_an_action_that_is_unknown_is_for_members_only if {
	not ask(ben, null, {}).allow
}

test_operators_read_the_audit_log_and_members_do_not if {
	operator := {"name": "olu", "workspaces": [], "roles": ["operator"]}
	ask(operator, "audit.read", {}).allow
	ask(operator, "operations.read", {}).allow
	not ask(ada, "operations.read", {}).allow
	not ask(operator, "job.results", {"job": object.union(ended, {"process": "hidden"})}).allow
	every action in ["job.list", "job.status", "job.logs", "job.callers"] {
		ask(operator, action, {"job": object.union(ended, {"process": "hidden"})}).allow
	}
	every action in ["job.inputs", "job.dismiss", "process.package", "process.execute", "secret.list"] {
		not ask(operator, action, {"job": object.union(ended, {"process": "ndvi"})}).allow
	}
	not ask(ada, "audit.read", {}).allow
	not ask(null, "audit.read", {}).allow
}

"""Every diagnosis has one of these codes; a code never changes its meaning, its words may.

Codes have the form `<about>.<what>`. The part before the dot says where to look: `settings`, `package`, `inputs`,
`source`, `output`, `destination`, `disk`, `image`, `containers`, `resources`, `step`, `engine`, `cluster`,
`protection`, `job`, `results`, `process`, `harvest`, `request`, `upload`, `store`, `runner`. docs/errors.md lists
them. The findings of `validate` (`package.findings`) have such codes too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zoo_runner.model.diagnosis import Level

_U, _E, _P = Level.USER, Level.ENGINE, Level.PLATFORM


@dataclass(frozen=True)
class Code:
    """A code with its usual level, what it means and what to do, as docs/errors.md lists it."""

    name: str
    level: Level
    meaning: str
    remedy: str


_SETTINGS = (
    Code("settings.invalid", _E, "A setting is missing or has an invalid value.", "Correct the setting shown."),
    Code(
        "settings.extra-missing",
        _U,
        "An optional Python package is not installed.",
        "Install the extra shown: pip install 'zoo-runner[NAME]'.",
    ),
    Code(
        "settings.not-writable",
        _E,
        "A folder of the runner cannot be created or written.",
        "Point the setting shown to a folder that this user may write to, or free space on its disk.",
    ),
    Code(
        "settings.kernel",
        _E,
        "The configuration of the ZOO kernel lacks what services need.",
        "Correct the section of main.cfg shown.",
    ),
    Code("settings.unknown-key", _E, "A section has a key that does not exist.", "Use one of the keys listed."),
    Code("settings.handler", _E, "The site's handler cannot be loaded.", "Install its module, or correct the name."),
    Code("settings.interpreter", _E, "No usable Python was found.", "Set ZOO_RUNNER_PYTHON to the path of one."),
    Code(
        "settings.results-not-served",
        _E,
        "The results lie where the platform cannot serve them.",
        "Set STAGEOUT_OUTPUT to a bucket, or to a folder that a web server serves.",
    ),
)
_PACKAGE = (
    Code("package.invalid", _U, "A document of the package is not valid CWL.", "Correct the lines shown."),
    Code("package.reference", _U, "The reference is neither a path nor a web address.", "Correct the reference."),
    Code("package.not-found", _U, "A document of the package does not exist.", "Check the path or address."),
    Code("package.unreadable", _U, "A document of the package cannot be read.", "Check the file's permissions."),
    Code("package.unreachable", _P, "A document of the package cannot be fetched.", "Check the address; try again."),
    Code(
        "package.refused",
        _U,
        "A document lies at an address that packages may not be read from, or a package from the web names a file of"
        " this machine.",
        "Move the document or file, or ask the operator to add the host to ZOO_RUNNER_PACKAGE_HOSTS.",
    ),
    Code(
        "package.too-large",
        _U,
        "A document is larger, deeper or more repetitive than allowed.",
        "Check that it is the right document; simplify it.",
    ),
    Code("package.syntax", _U, "A document is neither YAML nor JSON.", "Fix the syntax error at the location shown."),
    Code("package.not-cwl", _U, "The document is not CWL.", "Point to a document with cwlVersion at its top."),
    Code("package.cwl-version", _U, "The cwlVersion is not supported.", "Use v1.0, v1.1 or v1.2."),
    Code(
        "package.entry",
        _U,
        "It is not clear which process of the package to run, or the named one does not exist.",
        "Name one of the processes listed, as in package.cwl#id.",
    ),
    Code("package.workflow", _U, "The document has no workflow of the id that `w` gives.", "Correct `w`."),
    Code("package.unsupported", _U, "The package has a requirement that the engine does not support.", "Remove it."),
    Code("package.recursion", _U, "A document includes itself.", "Remove the `$import` or `run` that leads back."),
    Code("package.duplicate-id", _U, "Two inputs, outputs or steps have the same id.", "Rename one of them."),
    Code("package.default", _U, "The default of an input does not fit its type.", "Correct the default."),
    Code(
        "package.selection",
        _U,
        "What an input selects of STAC documents is invalid, or the input is no Directory.",
        "Correct the selection.",
    ),
    Code(
        "package.template",
        _U,
        "A WorkflowTemplate cannot be a process, or the package that stands for one was changed by hand.",
        "Correct the template; write the package again: zoo-runner hera package template/NAME.",
    ),
    Code(
        "package.template-changed",
        _E,
        "A WorkflowTemplate has other inputs or outputs than when it was deployed.",
        "Deploy it again.",
    ),
    Code(
        "package.template-not-allowed",
        _U,
        "The settings do not allow this WorkflowTemplate.",
        "Ask the operator to add it to ZOO_RUNNER_ARGO_TEMPLATES.",
    ),
    Code("package.type", _U, "A type is not a CWL type, or is not defined in the package.", "Correct the type."),
    Code(
        "package.resolve",
        _E,
        "The program that resolves packages ended unexpectedly.",
        "Send the evidence to the operator.",
    ),
)
_INPUTS = (
    Code("inputs.invalid", _U, "Several inputs have problems of different kinds.", "Correct each input listed."),
    Code("inputs.missing", _U, "A required input, or a part of it, is missing.", "Add the value."),
    Code("inputs.unknown", _U, "The package has no input, output or member of this name.", "Correct the name."),
    Code("inputs.type", _U, "A value has the wrong type.", "Give a value of the type shown."),
    Code("inputs.value", _U, "A value has the right type but is not allowed.", "Correct the value."),
    Code("inputs.reference", _U, "A file or folder is not given as a usable path or address.", "Correct it."),
    Code("inputs.format", _U, "A file has another format than the package accepts.", "Give a file of that format."),
    Code("inputs.too-large", _U, "The inputs are too large to be given inline.", "Give a link, or shorten them."),
    Code("inputs.secret-stored", _U, "The package calls an input secret, and a server stores inputs.", "Leave it out."),
    Code("inputs.secret", _U, "A secret input is not a string.", "Give a string, or do not call the input secret."),
    Code(
        "inputs.requirement",
        _U,
        "A job file adds a requirement that cannot be applied.",
        "Correct its class or target.",
    ),
    Code("inputs.syntax", _U, "The job file or an input on the command line cannot be parsed.", "Fix the syntax."),
    Code("inputs.unreadable", _U, "The job file cannot be read.", "Check the path or address of the job file."),
)
_IMAGE = (
    Code("image.not-found", _U, "The container image does not exist.", "Correct dockerPull, or push the image."),
    Code("image.forbidden", _U, "The registry refuses to give the image.", "Check the name; log in to the registry."),
    Code("image.unreachable", _P, "The registry cannot be reached.", "Check the network; try again."),
    Code("image.unavailable", _E, "The image could not be pulled.", "Read the evidence; pull the image by hand."),
    Code("image.invalid", _U, "The name of an image is invalid.", "Correct dockerPull, or the setting."),
    Code(
        "image.no-shell", _U, "The image has no shell, which starts steps on Kubernetes.", "Use an image with /bin/sh."
    ),
)
_CONTAINERS = (
    Code(
        "containers.unavailable",
        _E,
        "The package or the settings require containers, and none can be run here.",
        "Install or start podman or docker, or set ZOO_RUNNER_CONTAINERS.",
    ),
    Code(
        "isolation.refused",
        _E,
        "A step would not be isolated, or has no place in the sandbox.",
        "Choose podman, docker or sandbox; in trusted mode steps may run on the host.",
    ),
    Code(
        "isolation.input",
        _U,
        "Isolated, an input has folders of other jobs in it, or lies in one.",
        "Name a folder that has nothing but data.",
    ),
    Code("containers.broken", _E, "A container could not be started.", "Run a container by hand and fix the cause."),
)
_RESOURCES = (
    Code(
        "resources.insufficient",
        _U,
        "A step requires more memory, cores or disk than the machine has.",
        "Lower the ResourceRequirement, or use a larger machine.",
    ),
    Code(
        "resources.limit",
        _U,
        "A step requires more than the settings allow.",
        "Lower the ResourceRequirement, or ask the operator to raise the limit.",
    ),
    Code("resources.gpu", _U, "A step requires a GPU, and there are too few.", "Use a machine with a GPU."),
    Code("resources.disk-full", _P, "The disk is full.", "Free space, or use a larger disk."),
)
_STEP = (
    Code("step.failed", _U, "A step of the package failed.", "Read the log of the step."),
    Code("step.exit-code", _U, "The tool of a step ended with an exit code that means failure.", "Read its log."),
    Code("step.temporary-failure", _U, "The tool ended with one of its temporaryFailCodes.", "Run the job again."),
    Code("step.crashed", _U, "The tool of a step crashed.", "Read its log; try another version of the image."),
    Code("step.terminated", _U, "The tool of a step was asked to end (SIGTERM).", "Run the job again."),
    Code("step.out-of-memory", _U, "A step ran out of memory.", "Raise ramMin of the step, or give it less data."),
    Code(
        "step.network",
        _U,
        "The tool of a step could not reach an address.",
        "Give the data as an input, or ask for NetworkAccess.",
    ),
    Code(
        "step.credentials",
        _U,
        "The tool of a step was refused access to data.",
        "Give the data as an input: steps have no credentials.",
    ),
    Code("step.time-limit", _U, "A step took longer than its ToolTimeLimit.", "Raise the ToolTimeLimit."),
    Code("step.file-limit", _U, "A step wrote a file above the allowed size.", "Let it write smaller files."),
    Code("step.program-not-found", _U, "The program of a step does not exist.", "Correct baseCommand or the image."),
    Code("step.not-started", _U, "The program of a step could not be started.", "Correct baseCommand and arguments."),
    Code("step.not-ready", _U, "The inputs of a step cannot be prepared.", "Correct what the package says of it."),
    Code("step.input-format", _U, "A step got a file of the wrong format.", "Give a file of the format shown."),
    Code("step.input-changed", _U, "A step changed its input in place.", "Let the tool write a new file."),
    Code("step.input-missing", _U, "An input artifact of a workflow cannot be read.", "Correct its key or bucket."),
    Code("step.output-missing", _U, "A step left no file that matches the glob of an output.", "Correct the glob."),
    Code("step.output-type", _U, "An output of a step has the wrong type.", "Correct the type, or the tool."),
    Code("step.output-invalid", _U, "An output of a step cannot be collected.", "Correct the output's definition."),
    Code(
        "step.outside",
        _U,
        "The package, or one of its tools, names a path outside of the job.",
        "Give files as inputs; let tools write into their working folder, and copy instead of linking.",
    ),
    Code("step.expression", _U, "A JavaScript expression failed.", "Correct the expression."),
    Code("step.requirement-missing", _U, "The package uses a feature without its requirement.", "Add it."),
    Code(
        "step.engine-error", _U, "cwltool failed on values of a wrong shape.", "Look at expressions, cwl.output.json."
    ),
    Code("step.pick-value", _U, "pickValue found no suitable value.", "Compare `when` of the steps and pickValue."),
)
_ENGINE = (
    Code("engine.failed", _E, "The engine could not do its part.", "Read the job log; ask the operator."),
    Code("engine.unreachable", _P, "The engine could not be asked about the job.", "Try again later."),
    Code("engine.hook", _E, "A hook of the site's handler failed.", "Ask the platform's operator to fix the handler."),
    Code("engine.memory", _E, "The job's own pod ran out of memory.", "Raise ZOO_RUNNER_JOB_RAM_LIMIT."),
    Code("engine.argo-controller", _E, "No Argo controller looks after the namespace.", "Check the controller."),
    Code(
        "engine.argo-gone",
        _E,
        "Argo does not show the Workflow of a pod.",
        "Find out who deleted the Workflow; delete its pods and submit it again.",
    ),
    Code(
        "engine.argo-stale",
        _E,
        "Argo shows another state than the pods of the Workflow have.",
        "Check the workflow controller and its log.",
    ),
    Code("engine.argo-stopping", _E, "A Workflow that was stopped does not end.", "Terminate or delete it."),
    Code("engine.argo-invalid", _E, "Argo refuses the Workflow as invalid.", "Check that Argo is 4.0 or newer."),
    Code(
        "engine.executor-permission",
        _E,
        "Argo's executor may not report results.",
        "Apply deploy/argo/access.yaml.",
    ),
    Code("engine.executor-image", _E, "The image of Argo's executor cannot be pulled.", "Correct `executor.image`."),
    Code(
        "engine.artifact-repository",
        _E,
        "Argo has no artifact repository.",
        "Set `artifactRepository` in the controller's ConfigMap.",
    ),
    Code(
        "engine.argo-too-large",
        _E,
        "The Workflow has grown larger than Kubernetes stores.",
        "Enable `persistence.nodeStatusOffLoad`.",
    ),
    Code("engine.executor-memory", _E, "Argo's executor ran out of memory.", "Raise `executor.resources`."),
    Code(
        "engine.executor-network",
        _P,
        "Argo's executor could not reach the Kubernetes API.",
        "Check DNS and network policies.",
    ),
    Code("engine.argo-unreachable", _P, "The Argo server does not answer.", "Check ARGO_SERVER."),
    Code("engine.argo-login", _E, "The Argo server does not accept the token.", "Set a valid ARGO_TOKEN."),
    Code(
        "engine.argo-permission",
        _E,
        "The account of ARGO_TOKEN lacks a permission.",
        "Grant it; deploy/argo/access.yaml lists all.",
    ),
    Code("engine.killed", _E, "The engine was killed.", "Find out who stops processes on this machine."),
    Code("engine.no-result", _E, "The job's container exited without reporting a result.", "Check the job image."),
    Code(
        "engine.refused-request",
        _E,
        "The process that evaluates the package made a forbidden request.",
        "Have somebody look at the package before it runs again.",
    ),
    Code("engine.protocol", _P, "zoo-runner and its job image are of different versions.", "Update the older one."),
)
_JOB = (
    Code("job.time-limit", _U, "The job took longer than allowed.", "Raise the time limit, or reduce the work."),
    Code("job.disk-limit", _U, "The job's files took more of the disk than allowed.", "Let its steps write less."),
    Code("job.dismissed", _U, "The job was cancelled.", "Run it again when its results are wanted."),
    Code(
        "job.nothing-kept",
        _U,
        "Nothing that this command needs was kept of the job.",
        "Look at the job with `zoo-runner show JOB`, or run it again.",
    ),
    Code("job.not-found", _U, "No job with this id exists here.", "Check the id."),
    Code("job.media-type", _U, "The media type of the request of a job is not supported.", "Send one of those listed."),
    Code("job.schema", _U, "The schema of the request of a job is not supported.", "Use one of those listed."),
    Code("job.no-output", _U, "The results have no such output or value.", "Choose one of those that are listed."),
    Code("job.not-ended", _U, "The job has no results yet.", "Wait for its end: zoo-runner logs -f JOB."),
    Code(
        "job.too-many-unstarted",
        _U,
        "The workspace has too many jobs that were created and not started.",
        "Start or dismiss some of them.",
    ),
    Code("job.locked", _U, "The job was started already, so that it cannot be changed.", "Create another job."),
    Code("job.exists", _U, "A job with this id exists already.", "Choose another id, or leave it out."),
    Code("job.changed", _E, "Another process changed the job at the same time.", "Try again."),
    Code("job.busy", _U, "Another process works on the job.", "Follow its log, or cancel the job."),
    Code(
        "job.secrets-lost",
        _E,
        "The process that accepted the job ended before the engine had its secret inputs, which are never stored.",
        "Run the job again.",
    ),
    Code(
        "job.queue-limit",
        _E,
        "No worker took the job within the time that it may wait.",
        "Run it again when fewer jobs wait; the operator can start more workers, or raise ZOO_RUNNER_QUEUE_LIMIT.",
    ),
    Code("job.lost", _E, "The process that ran the job ended before the job.", "Run the job again."),
    Code("job.out-of-memory", _E, "The job's own pod ran out of memory.", "Raise ZOO_RUNNER_JOB_RAM_LIMIT."),
)
_RESULTS = (
    Code("results.path", _U, "The path of a result leads outside.", "Download into an empty folder."),
    Code("results.reader", _E, "The pod that reads a volume cannot start.", "Correct its image, KUBE_RESULTS_IMAGE."),
    Code("results.not-found", _U, "The volume has no such file.", "Check the path; it is that on the volume."),
    Code("results.refused", _U, "The pod may not read a file of the volume.", "Let it run as the files' owner."),
    Code("results.changed", _U, "A file changed while it was downloaded.", "Run it again once nobody writes it."),
    Code("results.damaged", _P, "A file arrived with another checksum.", "Try again; ask the operator."),
    Code("results.artifact", _E, "An artifact cannot be downloaded.", "Check Argo's artifact repository."),
)
_CLUSTER = (
    Code("cluster.access", _E, "The kubeconfig cannot be read.", "Set KUBECONFIG to a kubeconfig file."),
    Code(
        "cluster.unreachable",
        _P,
        "The Kubernetes API does not answer.",
        "Check that it runs and that KUBECONFIG names it.",
    ),
    Code("cluster.untrusted", _E, "The certificate of the Kubernetes API is not trusted.", "Correct KUBECONFIG."),
    Code("cluster.login", _E, "The Kubernetes API does not accept the credentials.", "Log in to the cluster again."),
    Code("cluster.permission", _E, "An account lacks a permission.", "Grant it; docs/kubernetes.md lists all."),
    Code(
        "cluster.not-found",
        _E,
        "An object that the settings name does not exist.",
        "Correct the setting, or create it.",
    ),
    Code("cluster.refused", _E, "The Kubernetes API refused an object.", "Correct the setting that the message names."),
    Code(
        "cluster.namespace", _E, "The namespace is being deleted.", "Wait until it is gone, or name another workspace."
    ),
    Code("cluster.quota", _E, "The resource quota of the namespace is used up.", "Wait, or have the quota raised."),
    Code(
        "cluster.limit-range",
        _E,
        "A request lies outside the namespace's LimitRange.",
        "Stay within it, or have it changed.",
    ),
    Code(
        "cluster.pod-security",
        _E,
        "The namespace does not allow such pods.",
        "Set ZOO_RUNNER_RUN_AS_USER to an ordinary user.",
    ),
    Code("cluster.priority-class", _E, "The priority class of the pods does not exist.", "Correct POD_PRIORITY_CLASS."),
    Code(
        "cluster.service-account",
        _E,
        "A service account does not exist.",
        "Restore it; docs/kubernetes.md lists its permissions.",
    ),
    Code("cluster.too-large", _U, "An object is larger than Kubernetes allows.", "Give long inputs as files."),
    Code("cluster.unschedulable", _U, "No node can ever take the pod.", "Lower what it requests, or add a node."),
    Code(
        "cluster.pending",
        _P,
        "The pod was not scheduled in time.",
        "Wait until the cluster is less busy, or add nodes.",
    ),
    Code("cluster.storage-class", _E, "The volume cannot be created by its storage class.", "Correct STORAGE_CLASS."),
    Code("cluster.volume", _E, "A volume does not exist or cannot be written to.", "Create it, or correct its owner."),
    Code("cluster.mount", _P, "A volume cannot be attached or mounted.", "Check its path, server and access mode."),
    Code("cluster.network", _P, "The pod gets no network.", "Ask the operator to check the network plug-in."),
    Code("cluster.container", _E, "The container could not be created.", "Read the evidence; ask the operator."),
    Code("cluster.pod-security", _E, "The namespace admits pods with privileges.", "Set its pod security label."),
    Code(
        "cluster.admission-policy",
        _E,
        "The API server does not judge the pods of jobs.",
        "Apply deploy/kubernetes/admission.yaml.",
    ),
    Code("cluster.network-policy", _E, "Steps are not denied the network.", "Create the NetworkPolicy."),
    Code(
        "cluster.token-mounted",
        _E,
        "An account of jobs has its token mounted by default.",
        "Set automountServiceAccountToken: false.",
    ),
    Code("cluster.account-reads-secrets", _E, "The account of job pods may read Secrets.", "Correct its role."),
    Code("cluster.node", _P, "The node of a pod is not ready.", "Ask the operator to look at the node."),
    Code("cluster.evicted", _P, "The pod was evicted from its node.", "Run the job again; request what it uses."),
    Code("cluster.pod-lost", _P, "The pod was deleted while it ran.", "Run the job again; check the audit log."),
)
_PROTECTION = (
    Code("protection.isolation", _E, "Steps of a service may run on the host.", "Unset ZOO_RUNNER_ISOLATION."),
    Code(
        "protection.javascript",
        _E,
        "JavaScript cannot be evaluated, or not in a process that can only compute.",
        "Install QuickJS where the engine's Python finds it; use a kernel that filters system calls.",
    ),
    Code(
        "protection.launcher",
        _E,
        "The process that runs cwltool sees the files and processes of the user who runs the job.",
        "Use Linux 5.12 or later on x86-64 or ARM64; allow this user to create user namespaces.",
    ),
    Code(
        "protection.step-network",
        _E,
        "Steps that ask for the network get that of the machine.",
        "Unset ZOO_RUNNER_SANDBOX_NETWORK.",
    ),
    Code(
        "protection.private-hosts",
        _E,
        "Packages and callers may name hosts of private networks.",
        "List single hosts in STAGEIN_PRIVATE_HOSTS.",
    ),
    Code(
        "protection.local-roots",
        _E,
        "Callers may name files of the system, of users or of other jobs.",
        "List folders with data in STAGEIN_ALLOWED_ROOTS.",
    ),
    Code("protection.time-limit", _E, "Jobs may run for ever.", "Set ZOO_RUNNER_TIME_LIMIT."),
    Code("protection.limits", _E, "A job may read, store or be given any amount.", "Set the limits shown."),
    Code(
        "protection.private-folders",
        _E,
        "Other users of the machine can read records or inputs of jobs.",
        "Keep others from the folders shown.",
    ),
    Code("protection.public-logs", _E, "The folder of logs is public.", "Have what serves them check who asks."),
    Code("protection.user", _E, "Jobs are run by root.", "Run services as a user of their own."),
)
_PROCESS = (
    Code("process.not-found", _U, "No process with this id is deployed here.", "Check the id."),
    Code("process.exists", _U, "A process with this id is deployed already.", "Replace it, or choose another id."),
)
_HARVEST = (
    Code("harvest.sources", _E, "The file of sources, or a file that it names, is invalid.", "Correct what is shown."),
    Code("harvest.repository", _P, "A git repository cannot be read.", "Check address, branch, login and network."),
    Code("harvest.records", _E, "What was deployed before cannot be read.", "Restore the record."),
    Code("harvest.busy", _E, "Another process harvests with the same records.", "Wait for it, or use other records."),
    Code("harvest.unreachable", _P, "The server does not answer.", "Check the address; the next run does the rest."),
    Code("harvest.refused", _U, "The server refuses to change a process.", "See what it says."),
    Code("harvest.unread", _U, "A document of a repository was not read.", "See the reason."),
    Code("harvest.same-id", _U, "Two workflows of a source have the same id.", "Give each an id of its own."),
)
_REQUEST = (
    Code("request.cursor", _U, "The cursor of a list is invalid.", "Follow the `next` link of a page."),
    Code(
        "request.cross-site",
        _U,
        "A page of another site had a browser send the request.",
        "Send it with the media type of its body, or ask the operator to list the origin.",
    ),
    Code(
        "request.host",
        _U,
        "The request is to a name that the server does not have.",
        "Use one of its names, or list this one in ZOO_RUNNER_HOSTS.",
    ),
    Code("request.interrupted", _E, "The server stopped before it had answered.", "Send the request again."),
    Code("request.invalid", _U, "The request is invalid.", "Correct what is shown."),
    Code("request.media-type", _U, "The media type of the body is not supported.", "Send one of those listed."),
    Code("request.method", _U, "The path does not have this method.", "See the OpenAPI document."),
    Code("request.not-acceptable", _U, "The path has no media type that the client accepts.", "Accept one of those."),
    Code("request.range", _U, "The file has none of the bytes asked for.", "Ask for a range that it has."),
    Code("request.subscriber", _U, "An address for callbacks is invalid or not allowed.", "Correct what is shown."),
    Code("request.too-large", _U, "The body is too large.", "Refer to large data by href."),
    Code("request.too-many", _U, "The client has sent too many requests.", "Wait, and send fewer."),
    Code("request.unknown-path", _U, "There is nothing at this path.", "See the OpenAPI document."),
)
_UPLOAD = (
    Code("upload.full", _U, "Uploaded files take all the room of their workspace.", "Delete some of them."),
    Code("upload.not-found", _U, "There are no such uploaded files.", "Send them again: they may have expired."),
    Code(
        "upload.out-of-reach",
        _E,
        "Jobs on a cluster cannot read files that lie on the server.",
        "Set STAGEOUT_OUTPUT to object storage.",
    ),
)
_IDENTITY = (
    Code("identity.missing", _U, "The request has no token.", "Send `Authorization: Bearer …`."),
    Code("identity.token", _U, "What the request has is not a signed JSON Web Token.", "Send an access token."),
    Code("identity.algorithm", _U, "The token is signed in a way that is not accepted.", "Ask the operator."),
    Code("identity.key", _U, "No key of the provider signed the token.", "Get a token from the server's provider."),
    Code("identity.signature", _U, "The signature of the token is wrong.", "Get a new one from the provider."),
    Code("identity.kind", _U, "The token is not one for access.", "Send the access token."),
    Code("identity.issuer", _U, "The token is of another provider.", "Get one from the server's provider."),
    Code("identity.audience", _U, "The token is for another service.", "Get one for this service."),
    Code("identity.expired", _U, "The token has expired.", "Get a new one from the provider."),
    Code("identity.claim", _U, "A claim of the token is missing or invalid.", "Ask the provider's operator."),
    Code("identity.workspace", _U, "The caller may not use the workspace.", "Ask its owner; then get a new token."),
    Code("identity.role", _U, "The caller lacks a role.", "Ask an operator."),
    Code("workspace.choice", _U, "The caller has several workspaces, or none.", "Name one in the request."),
    Code("workspace.private", _U, "The process is private to another workspace.", "Ask its owner."),
    Code(
        "identity.provider",
        _P,
        "Tokens cannot be verified, as the provider does not answer.",
        "Check the provider and ZOO_RUNNER_OIDC_ISSUER.",
    ),
)
_QUOTA = (
    Code("quota.cores", _U, "A tool asks for more cores than its workspace may use.", "Ask the operator."),
    Code("quota.memory", _U, "A tool asks for more memory than its workspace may use.", "Ask the operator."),
    Code("quota.queued-jobs", _U, "As many jobs of the workspace wait as may.", "Wait, or dismiss some."),
    Code("quota.results", _U, "The results of the workspace take as much as they may.", "Remove some."),
)
_POLICY = (
    Code("policy.denied", _U, "The policy of this server denies the request.", "Ask who keeps the policy."),
    Code(
        "policy.unavailable",
        _P,
        "The policy agent does not answer, or not with a decision.",
        "Check the agent and ZOO_RUNNER_OPA_URL.",
    ),
    Code("access.document", _U, "An access document is invalid.", "Correct it as the message says."),
    Code("access.unavailable", _P, "An access document cannot be read.", "Check the bucket of ZOO_RUNNER_ACCESS."),
)
_STORE = (
    Code("store.unreachable", _P, "The database did not answer.", "Try again later; ask the operator."),
    Code("store.damaged", _E, "The record of a job cannot be read.", "Check the disk, or remove the job's folder."),
    Code("store.newer", _E, "The database belongs to a newer release.", "Upgrade this installation."),
)
_BACKUP = (
    Code("backup.exists", _U, "There is a file at the place of the backup.", "Choose another, or use --overwrite."),
    Code("backup.damaged", _P, "The backup is incomplete or damaged.", "Use another backup."),
    Code("backup.newer", _E, "The backup was written by a newer release.", "Upgrade this installation."),
    Code("backup.folders", _E, "The backup is of an installation with other folders.", "Set the folders shown."),
    Code("backup.not-empty", _U, "The database to restore into has content.", "Use another one, or --overwrite."),
    Code("backup.in-use", _U, "Workers use the database to restore into.", "Stop servers and workers first."),
)
_RUNNER = (Code("runner.defect", _E, "An internal error of the runner.", "Report it with the job log."),)

# the kinds of the stagers' errors (zoo_staging.errors.Kind): level, what happened, remedy
_STAGING = (
    ("not-found", _U, "does not exist", "Check the address."),
    ("forbidden", _U, "may not be accessed, or needs a login", "Check the credentials and their permissions."),
    ("unreachable", _P, "cannot be reached", "Check the address, the network and that the service runs."),
    ("timeout", _P, "did not answer in time", "Try again later."),
    ("untrusted", _P, "has a certificate that is not trusted", "Install its authority, or ask its operator."),
    ("checksum", _U, "does not match its checksum", "Replace the damaged file at its source."),
    ("size", _U, "does not have the size that was announced", "Try again; else replace the file at its source."),
    ("content", _U, "is not what was announced, such as an error page", "Open the address in a browser."),
    ("stac-invalid", _U, "is not valid STAC", "Correct the document shown."),
    ("refused", _U, "is not allowed by a rule on addresses, folders or sizes", "Use data that the rule allows."),
    ("unsupported", _U, "has a scheme or form that is not supported", "Use one of those shown."),
    ("service-error", _P, "is on a service that answered with an error", "Try again later; else ask its operator."),
)
_DISK = (
    Code("disk.full", _P, "A disk is full.", "Free space, or use a larger disk."),
    Code("disk.failed", _P, "A disk cannot be read or written.", "Check the folder and its permissions."),
)


def _list_staging(about: str, subject: str) -> Iterable[Code]:
    """The codes of one side of staging."""
    for kind, level, what, remedy in _STAGING:
        # stored results can be damaged only in transfer, which is not the user's fault
        damaged = about == "destination" and kind in ("checksum", "size")
        yield Code(f"{about}.{kind}", _P if damaged else level, f"{subject} {what}.", remedy)


CODES: Mapping[str, Code] = {
    code.name: code
    for code in (
        *_SETTINGS,
        *_PACKAGE,
        *_INPUTS,
        Code("source.failed", _U, "An input could not be staged in.", "Check the address shown."),
        *_list_staging("source", "An input"),
        *_list_staging("output", "An output of the package"),
        Code("destination.failed", _U, "The results could not be stored.", "Check the destination shown."),
        *_list_staging("destination", "The place of the results"),
        *_DISK,
        *_IMAGE,
        *_CONTAINERS,
        *_RESOURCES,
        *_STEP,
        *_ENGINE,
        *_RESULTS,
        *_CLUSTER,
        *_PROTECTION,
        *_JOB,
        *_PROCESS,
        *_HARVEST,
        *_REQUEST,
        *_UPLOAD,
        *_IDENTITY,
        *_POLICY,
        *_QUOTA,
        *_STORE,
        *_BACKUP,
        *_RUNNER,
    )
}
"""All codes by name."""

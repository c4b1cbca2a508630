"""The codes of what a server answers, of its store, of backups, of harvesting, and of asking servers."""

from zoo_runner.model.codes.code import Code
from zoo_runner.model.diagnosis import Level

_U, _E, _P = Level.USER, Level.ENGINE, Level.PLATFORM

PROCESS = (
    Code("process.not-found", _U, "No process with this id is deployed here.", "Check the id."),
    Code("process.exists", _U, "A process with this id is deployed already.", "Replace it, or choose another id."),
    Code("process.immutable", _U, "The process is part of the server and stays as it is.", "Choose another id."),
)
API = (Code("api.unreachable", _P, "A server that is asked as an API does not answer.", "Check address and network."),)
HARVEST = (
    Code("harvest.sources", _E, "The file of sources, or a file that it names, is invalid.", "Correct what is shown."),
    Code("harvest.repository", _P, "A git repository cannot be read.", "Check address, branch, login and network."),
    Code(
        "harvest.host-key",
        _P,
        "The key of a git server is unknown or has changed.",
        "Check it, and add it to known-hosts-file.",
    ),
    Code("harvest.records", _E, "What was deployed before cannot be read.", "Restore the record."),
    Code("harvest.busy", _E, "Another process harvests with the same records.", "Wait for it, or use other records."),
    Code("harvest.stopped", _E, "A harvest was stopped before its end.", "The next run does what is left."),
    Code("harvest.refused", _U, "The server refuses to change a process.", "See what it says."),
    Code("harvest.status", _E, "The git server refuses the status of a commit.", "Check the token of the source."),
    Code("harvest.unread", _U, "A document of a repository was not read.", "See the reason."),
    Code("harvest.access", _U, "The access document of a source is invalid.", "Correct it."),
    Code("harvest.same-id", _U, "Two workflows of a source have the same id.", "Give each an id of its own."),
    Code("bus.unreachable", _P, "The message bus does not answer.", "Check its address and the network."),
    Code("bus.refused", _E, "The message bus refuses what is asked of it.", "Check topic, token and permissions."),
    Code("bus.message", _U, "A message of the bus may not be followed.", "Find out who has sent it."),
    Code("bus.files", _P, "The bucket of the workflows of messages cannot be reached.", "Check address and login."),
    Code("bus.file", _U, "A file that a message names is too large, or no text.", "Correct the file."),
    Code("bus.absent", _U, "A file that a message names is not there.", "Write the file before the message."),
    Code("bus.attempts", _E, "A message ended the program that handled it.", "See its logs, and send it again."),
)
REQUEST = (
    Code("request.busy", _E, "The server has no room for more requests of this kind now.", "Send it again later."),
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
    Code(
        "request.precondition",
        _U,
        "What the request is for is not in the version that it names (`If-Match`).",
        "Get it again, and send the request with its current ETag.",
    ),
    Code("request.range", _U, "The file has none of the bytes asked for.", "Ask for a range that it has."),
    Code("request.subscriber", _U, "An address for callbacks is invalid or not allowed.", "Correct what is shown."),
    Code("request.timeout", _U, "The body of the request did not arrive in time.", "Send the request again."),
    Code("request.too-large", _U, "The body is too large.", "Refer to large data by href."),
    Code("request.too-many", _U, "The client has sent too many requests.", "Wait, and send fewer."),
    Code("request.unknown-path", _U, "There is nothing at this path.", "See the OpenAPI document."),
)
UPLOAD = (
    Code("upload.full", _U, "Uploaded files take all the room of their workspace.", "Delete some of them."),
    Code("upload.not-found", _U, "There are no such uploaded files.", "Send them again: they may have expired."),
    Code(
        "upload.out-of-reach",
        _E,
        "Jobs on a cluster cannot read files that lie on the server.",
        "Set STAGEOUT_OUTPUT to object storage.",
    ),
)
IDENTITY = (
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
    Code("identity.session", _U, "The session of the browser has ended.", "Log in again."),
    Code("identity.revoked", _U, "A personal token has expired or was revoked.", "Make a new one."),
    Code(
        "identity.owner", _U, "The owner of a personal token left, or did not come for days.", "Have the owner log in."
    ),
    Code("identity.scope", _U, "A personal token is not for this action.", "Make one with this scope."),
    Code("identity.development", _U, "The development token is sent from elsewhere.", "Use one of the provider."),
    Code("secret.not-found", _U, "The workspace has no secret of this name.", "List those that there are."),
    Code("secret.off", _E, "The server keeps no secrets of workspaces.", "Set ZOO_RUNNER_ENCRYPTION_KEYS_FILE."),
    Code(
        "secret.key", _E, "A secret cannot be decrypted.", "List the key that it was encrypted with, or set it again."
    ),
    Code(
        "token.no-owner", _U, "The server does not identify its callers, so tokens have no owner.", "Ask the operator."
    ),
    Code("token.not-found", _U, "There is no such personal token of the caller.", "List those that there are."),
    Code("token.too-many", _U, "A caller has as many personal tokens as may be.", "Revoke some."),
    Code(
        "token.exchange",
        _E,
        "The provider did not exchange or revoke a token for the steps of a job.",
        "Check stepToken of the workspace and the client of this server there.",
    ),
    Code("token.expired", _E, "The token for the steps of a job expired before it began.", "Run the job again."),
    Code("login.state", _U, "A login comes back to a browser that has not begun it.", "Log in again."),
    Code("login.denied", _U, "The provider has not let the person log in.", "Ask its operator."),
    Code("login.exchange", _E, "The provider gave no tokens for a login.", "Check the client of this server there."),
    Code("login.insecure", _U, "A login needs https, or this machine.", "Use the https address of the server."),
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
LINK = (
    Code("link.off", _E, "The server makes no links to results.", "Set ZOO_RUNNER_LINK_SECRET."),
    Code(
        "link.invalid",
        _U,
        "The link to a result was not made by this server, was changed, or was revoked.",
        "Ask who sent it for a new one.",
    ),
    Code("link.expired", _U, "The link to a result has expired.", "Ask who sent it for a new one."),
)
QUOTA = (
    Code("quota.cores", _U, "A tool asks for more cores than its workspace may use.", "Ask the operator."),
    Code("quota.memory", _U, "A tool asks for more memory than its workspace may use.", "Ask the operator."),
    Code("quota.queued-jobs", _U, "As many jobs of the workspace wait as may.", "Wait, or dismiss some."),
    Code("quota.results", _U, "The results of the workspace take as much as they may.", "Remove some of them."),
)
POLICY = (
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
STORE = (
    Code("store.unreachable", _P, "The database did not answer.", "Try again later; ask the operator."),
    Code("store.denied", _E, "The role of the database may not do this.", "Grant it, or use another role."),
    Code("store.damaged", _E, "The record of a job cannot be read.", "Check the disk, or remove the job's folder."),
    Code("store.newer", _E, "The database belongs to a newer release.", "Upgrade this installation."),
)
BACKUP = (
    Code("backup.exists", _U, "There is a file at the place of the backup.", "Choose another, or use --overwrite."),
    Code("backup.damaged", _P, "The backup is incomplete or damaged.", "Use another backup."),
    Code("backup.newer", _E, "The backup was written by a newer release.", "Upgrade this installation."),
    Code("backup.folders", _E, "The backup is of an installation with other folders.", "Set the folders shown."),
    Code("backup.not-empty", _U, "The database to restore into has content.", "Use another one, or --overwrite."),
    Code("backup.in-use", _U, "Workers use the database to restore into.", "Stop servers and workers first."),
)
RECOVER = (
    Code("recover.address", _U, "Jobs cannot be recovered from this address.", "Give the address of the results."),
    Code("recover.record", _P, "A published record of a job is invalid.", "Find out who has written it."),
    Code("recover.newer", _E, "A record was published by a newer release.", "Upgrade this installation."),
    Code(
        "recover.elsewhere",
        _E,
        "A record lies where this installation stores no results of its workspace.",
        "Set the destinations as they were, or use --workspace.",
    ),
    Code("recover.conflict", _P, "A record has the id of a job of another workspace.", "Find out who has written it."),
    Code("recover.package", _E, "The package beside a record cannot be used.", "Deploy the package anew."),
    Code("recover.logs", _P, "A log beside a record cannot be fetched.", "Look for it in the bucket."),
)

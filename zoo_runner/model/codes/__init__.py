"""Every diagnosis has one of these codes; a code never changes its meaning, its words may.

Codes have the form `<about>.<what>`. The part before the dot says where to look: `settings`, `package`, `inputs`,
`source`, `output`, `destination`, `disk`, `image`, `containers`, `resources`, `step`, `engine`, `cluster`,
`protection`, `job`, `results`, `process`, `harvest`, `api`, `request`, `upload`, `identity`, `link`, `workspace`,
`policy`, `access`, `quota`, `store`, `backup`, `runner`. docs/errors.md lists them. The findings of
`validate` (`package.findings`) have such codes too.
"""

from collections.abc import Mapping

from zoo_runner.model.codes import jobs, server, staging
from zoo_runner.model.codes.code import Code

CODES: Mapping[str, Code] = {
    code.name: code
    for code in (
        *jobs.SETTINGS,
        *jobs.PACKAGE,
        *jobs.INPUTS,
        *staging.STAGING,
        *staging.DISK,
        *jobs.IMAGE,
        *jobs.CONTAINERS,
        *jobs.RESOURCES,
        *jobs.STEP,
        *jobs.ENGINE,
        *jobs.RESULTS,
        *jobs.CLUSTER,
        *jobs.PROTECTION,
        *jobs.JOB,
        *server.PROCESS,
        *server.API,
        *server.HARVEST,
        *server.REQUEST,
        *server.UPLOAD,
        *server.IDENTITY,
        *server.LINK,
        *server.POLICY,
        *server.QUOTA,
        *server.STORE,
        *server.BACKUP,
        *server.RECOVER,
        *jobs.RUNNER,
    )
}
"""All codes by name."""

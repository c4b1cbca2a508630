"""Hera scripts as people write them, in the idioms of Hera 5.6 and 7, and with the helper libraries.

Each ends with a workflow that succeeds, and says by its output what it has done.
"""

from dataclasses import dataclass

from tests.cluster import JOB_IMAGE

BOTH = (5, 7)
IMAGE = f'image="{JOB_IMAGE}"'
WAIT = "\nw.create()\nended = w.wait(poll_interval=1)\nassert ended.status.phase == 'Succeeded', ended.status.phase\n"


@dataclass(frozen=True)
class HeraScript:
    """A script, for which generations of Hera it is written, and a word that its output or the workflow's has."""

    text: str
    word: str
    generations: tuple[int, ...] = BOTH


SCRIPTS = {
    "container": HeraScript(
        f"""
from hera.workflows import Container, Workflow
with Workflow(generate_name="hera-container-", entrypoint="c") as w:
    Container(name="c", {IMAGE}, command=["echo", "hello"])
w.create()
""",
        "hello",
    ),
    "steps": HeraScript(
        f"""
from hera.workflows import Container, Parameter, Steps, Workflow
with Workflow(generate_name="hera-steps-", entrypoint="s") as w:
    say = Container(name="say", {IMAGE}, command=["echo"], args=["{{{{inputs.parameters.text}}}}"],
                    inputs=[Parameter(name="text")])
    with Steps(name="s") as s:
        say(name="first", arguments={{"text": "one"}})
        with s.parallel():
            say(name="second", arguments={{"text": "two"}})
            say(name="third", arguments={{"text": "three"}})
{WAIT}""",
        "three",
    ),
    "dag-of-decorated-functions": HeraScript(
        f"""
from hera.workflows import DAG, Workflow, script
@script({IMAGE}, command=["python3"])
def add(a: int, b: int):
    print(a + b)
with Workflow(generate_name="hera-dag-", entrypoint="d") as w:
    with DAG(name="d"):
        first = add(name="first", arguments={{"a": 1, "b": 2}})
        second = add(name="second", arguments={{"a": first.result, "b": 4}})
        first >> second
{WAIT}""",
        "7",
    ),
    "diamond": HeraScript(
        f"""
from hera.workflows import Container, DAG, Parameter, Workflow
with Workflow(generate_name="hera-diamond-", entrypoint="d") as w:
    say = Container(name="say", {IMAGE}, command=["echo", "{{{{inputs.parameters.text}}}}"],
                    inputs=[Parameter(name="text")])
    with DAG(name="d"):
        a, b, c, d = (say(name=name, arguments=[Parameter(name="text", value=name * 3)]) for name in "ABCD")
        a >> [b, c] >> d
{WAIT}""",
        "DDD",
    ),
    "loop-over-a-result": HeraScript(
        f"""
from hera.workflows import Container, Parameter, Steps, Workflow, script
@script({IMAGE}, command=["python3"])
def generate():
    import json
    print(json.dumps([1, 2, 3]))
with Workflow(generate_name="hera-loop-", entrypoint="s") as w:
    square = Container(name="square", {IMAGE}, inputs=[Parameter(name="number")],
                       command=["sh", "-c", "n={{{{inputs.parameters.number}}}}; echo square $((n * n))"])
    with Steps(name="s"):
        numbers = generate(name="numbers")
        square(name="square", arguments={{"number": "{{{{item}}}}"}}, with_param=numbers.result)
{WAIT}""",
        "square 9",
    ),
    "coin-flip": HeraScript(
        f"""
from hera.workflows import DAG, Workflow, script
@script({IMAGE}, command=["python3"])
def flip():
    print("heads")
@script({IMAGE}, command=["python3"])
def heads():
    print("it was heads")
@script({IMAGE}, command=["python3"])
def tails():
    print("it was tails")
with Workflow(generate_name="hera-coin-", entrypoint="d") as w:
    with DAG(name="d"):
        coin = flip()
        one = heads(name="one", when=f"{{coin.result}} == heads")
        other = tails(name="other", when=f"{{coin.result}} == tails")
        coin >> [one, other]
{WAIT}""",
        "it was heads",
    ),
    "parameter-from-a-file": HeraScript(
        f"""
from hera.workflows import Container, Parameter, Steps, Workflow
from hera.workflows.models import ValueFrom
with Workflow(generate_name="hera-file-", entrypoint="s") as w:
    write = Container(name="write", {IMAGE}, command=["sh", "-c", "echo written >/tmp/out"],
                      outputs=[Parameter(name="text", value_from=ValueFrom(path="/tmp/out"))])
    say = Container(name="say", {IMAGE}, command=["echo", "read: {{{{inputs.parameters.text}}}}"],
                    inputs=[Parameter(name="text")])
    with Steps(name="s"):
        made = write(name="write")
        say(name="say", arguments=made.get_parameter("text").with_name("text"))
{WAIT}""",
        "read: written",
    ),
    "exit-handler": HeraScript(
        f"""
from hera.workflows import Container, Workflow
with Workflow(generate_name="hera-exit-", entrypoint="c") as w:
    Container(name="c", {IMAGE}, command=["true"])
    last = Container(name="last", {IMAGE}, command=["echo", "ended {{{{workflow.status}}}}"])
    w.on_exit = last
{WAIT}""",
        "ended Succeeded",
    ),
    "retries": HeraScript(
        f"""
from hera.workflows import Container, RetryStrategy, Workflow
with Workflow(generate_name="hera-retries-", entrypoint="c") as w:
    Container(name="c", {IMAGE}, command=["sh", "-c", "echo try {{{{retries}}}}; test {{{{retries}}}} = 1"],
              retry_strategy=RetryStrategy(limit=2))
{WAIT}""",
        "try 1",
    ),
    "arguments-of-the-workflow": HeraScript(
        f"""
from hera.workflows import Container, Parameter, Workflow
with Workflow(generate_name="hera-arguments-", entrypoint="c",
              arguments=[Parameter(name="where", value="Paris")]) as w:
    Container(name="c", {IMAGE}, command=["echo", "over {{{{workflow.parameters.where}}}}"])
{WAIT}""",
        "over Paris",
    ),
    "existing-volume": HeraScript(
        f"""
import os
from hera.workflows import Container, ExistingVolume, Steps, Workflow
volume = ExistingVolume(name="data", claim_name=os.environ["KUBEVOLUMECLAIMNAME"], mount_path="/mnt/data")
with Workflow(generate_name="hera-existing-", entrypoint="s") as w:
    write = Container(name="write", {IMAGE}, command=["sh", "-c", "echo kept >/mnt/data/{{{{workflow.name}}}}"],
                      volumes=[volume])
    read = Container(name="read", {IMAGE}, command=["cat", "/mnt/data/{{{{workflow.name}}}}"], volumes=[volume])
    with Steps(name="s"):
        write(name="write")
        read(name="read")
{WAIT}""",
        "kept",
    ),
    "template-of-workflows": HeraScript(
        f"""
import time
from hera.shared import global_config
from hera.workflows import Container, Workflow, WorkflowTemplate
from hera.workflows.models import WorkflowTemplateRef
from hera_utils import clear_workflow_template
name = f"hera-template-{{time.time_ns()}}"
with WorkflowTemplate(name=name, entrypoint="c") as template:
    Container(name="c", {IMAGE}, command=["echo", "from a template"])
template.create()
w = Workflow(generate_name="hera-of-template-", workflow_template_ref=WorkflowTemplateRef(name=name))
{WAIT}
clear_workflow_template(name)
clear_workflow_template(name)
""",
        "from a template",
    ),
    "environment-of-a-configmap-as-in-hera-5": HeraScript(
        f"""
import os
from hera.workflows import ConfigMapEnvFrom, Container, Workflow
with Workflow(generate_name="hera-environment-", entrypoint="c") as w:
    Container(name="c", {IMAGE}, command=["sh", "-c", "echo by $HERA_PROXY"],
              env_from=[ConfigMapEnvFrom(config_map_name=os.environ["KUBECONFIGMAP"], name=os.environ["KUBECONFIGMAP"],
                                         optional=False)])
{WAIT}""",
        "by proxy.example.org",
        (5,),
    ),
    "environment-of-a-configmap": HeraScript(
        f"""
import os
from hera.workflows import ConfigMapEnvFrom, Container, Env, Workflow
with Workflow(generate_name="hera-environment-", entrypoint="c") as w:
    Container(name="c", {IMAGE}, command=["sh", "-c", "echo $BY $HERA_PROXY"],
              env=[Env(name="BY", value="by")], env_from=[ConfigMapEnvFrom(name=os.environ["KUBECONFIGMAP"])])
{WAIT}""",
        "by proxy.example.org",
    ),
    "service-of-its-own": HeraScript(
        f"""
import os
from hera.workflows import Container, Workflow, WorkflowsService
service = WorkflowsService(host=os.environ["ARGO_SERVER"], token=os.environ["ARGO_TOKEN"],
                           namespace=os.environ["ARGO_NAMESPACE"])
with Workflow(generate_name="hera-service-", entrypoint="c", workflows_service=service,
              namespace=os.environ["ARGO_NAMESPACE"]) as w:
    Container(name="c", {IMAGE}, command=["echo", "own service"])
{WAIT}""",
        "own service",
    ),
    "global-configuration": HeraScript(
        f"""
import os
from hera.shared import GlobalConfig
from hera.workflows import Container, Workflow
GlobalConfig.host = os.environ["ARGO_SERVER"]
GlobalConfig.token = os.environ["ARGO_TOKEN"]
GlobalConfig.namespace = os.environ["ARGO_NAMESPACE"]
GlobalConfig.service_account_name = os.environ["ARGO_SERVICE_ACCOUNT"]
with Workflow(generate_name="hera-global-", entrypoint="c") as w:
    Container(name="c", {IMAGE}, command=["echo", "own configuration"])
{WAIT}""",
        "own configuration",
    ),
    "helper-of-the-first-generation": HeraScript(
        f"""
from hera_utils import argo_server, assert_version, k8s_cluster, parse_arguments, print_version
args = parse_arguments()
cluster = k8s_cluster(args)
cluster.assert_cluster()
cluster.assert_namespace()
server = argo_server(cluster, args)
server.define_argo_server_part_of_environment()
server.print_config()
print_version()
from hera.workflows import Container, Workflow
with Workflow(generate_name="hera-first-", entrypoint="c") as w:
    Container(name="c", {IMAGE}, command=["true"])
w.create()
""",
        "Argo server: ",
    ),
    "helper-of-the-second-generation": HeraScript(
        f"""
import os
from hera_k8s_utils import parser as k8s_parser
from hera_k8s_utils.num_exp_environment import Struct, num_exp_environment
from hera_utils import parser
class environment(num_exp_environment):
    def __init__(self, args, verbose=False):
        num_exp_environment.__init__(self, args, verbose)
        self.k8s.assert_volume_claim(args.k8s_volume_claim_name)
        self.k8s.assert_configmap(args.k8s_configmap_name)
        self.cluster.configmap = args.k8s_configmap_name
        self.persisted_volume = Struct()
        self.persisted_volume.claim_name = args.k8s_volume_claim_name
made = parser(k8s_parser().get_parser())
made.parser.add("--text", default="an experiment")
made.parser.add("--k8s_volume_claim_name", type=str, default=os.environ.get("KUBEVOLUMECLAIMNAME"))
made.parser.add("--k8s_configmap_name", type=str, default=os.environ.get("KUBECONFIGMAP"))
args = made.parse_args()
environment = environment(args, verbose=True)
environment.print_config()
from hera.workflows import Container, Workflow
with Workflow(generate_name="hera-second-", entrypoint="c") as w:
    Container(name="c", {IMAGE}, command=["echo", args.text, environment.cluster.configmap])
w.create()
""",
        "an experiment",
    ),
}
"""By name."""

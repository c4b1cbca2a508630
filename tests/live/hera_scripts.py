"""Hera scripts as people write them, in the idioms of Hera 5.6 and 7, and with the helper libraries."""

from tests.cluster import JOB_IMAGE

IMAGE = f'"{JOB_IMAGE}"'
WAIT = "\nw.create()\nassert w.wait(poll_interval=1).status.phase == 'Succeeded'\n"

SCRIPTS = {
    "container": f"""
from hera.workflows import Container, Workflow
with Workflow(generate_name="hera-container-", entrypoint="c") as w:
    Container(name="c", image={IMAGE}, command=["echo", "hello"])
w.create()
""",
    "steps-with-wait": f"""
from hera.workflows import Container, Parameter, Steps, Workflow
with Workflow(generate_name="hera-steps-", entrypoint="s") as w:
    say = Container(name="say", image={IMAGE}, command=["echo"], args=["{{{{inputs.parameters.text}}}}"],
                    inputs=[Parameter(name="text")])
    with Steps(name="s"):
        say(name="first", arguments={{"text": "one"}})
        say(name="second", arguments={{"text": "two"}})
{WAIT}""",
    "dag-of-decorated-functions": f"""
from hera.workflows import DAG, Workflow, script
@script(image={IMAGE}, command=["python3"])
def add(a: int, b: int):
    print(a + b)
with Workflow(generate_name="hera-dag-", entrypoint="d") as w:
    with DAG(name="d"):
        first = add(name="first", arguments={{"a": 1, "b": 2}})
        second = add(name="second", arguments={{"a": first.result, "b": 4}})
        first >> second
{WAIT}""",
    "service-of-its-own": f"""
import os
from hera.workflows import Container, Workflow, WorkflowsService
service = WorkflowsService(host=os.environ["ARGO_SERVER"], token=os.environ["ARGO_TOKEN"],
                           namespace=os.environ["ARGO_NAMESPACE"])
with Workflow(generate_name="hera-service-", entrypoint="c", workflows_service=service,
              namespace=os.environ["ARGO_NAMESPACE"]) as w:
    Container(name="c", image={IMAGE}, command=["true"])
{WAIT}""",
    "helper-of-the-first-generation": f"""
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
    Container(name="c", image={IMAGE}, command=["true"])
w.create()
""",
    "helper-of-the-second-generation": f"""
from hera_k8s_utils import parser as k8s_parser
from hera_utils import argo_server, parser
made = parser(k8s_parser().get_parser())
made.parser.add("--text", default="hello")
args = made.parse_args()
argo_server(args).print_config()
from hera.workflows import Container, Workflow
with Workflow(generate_name="hera-second-", entrypoint="c") as w:
    Container(name="c", image={IMAGE}, command=["echo", args.text])
w.create()
""",
}
"""Name and text."""

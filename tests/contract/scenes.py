"""How failures are brought about: an installation, a web server, an S3 server, a container engine, all real."""

import json
import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.servers import Fault, FileServer, S3Server, make_certificate, serve_files
from tests.site import Site
from tests.values import EXAMPLES, FAILING, PACKAGES, ROOT

Done = subprocess.CompletedProcess[str]
ECHO = (EXAMPLES / "echo" / "echo.cwl", EXAMPLES / "echo" / "inputs.yml")
UNUSED_PORT = "http://127.0.0.1:1"
PODMAN_READS = ("HOME", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "XDG_RUNTIME_DIR")
PICTURE = b"P5 4 2 255\n" + bytes(range(65, 73))


def build_item(*assets: Mapping[str, str]) -> dict[str, Any]:
    """A STAC item."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "scene",
        "geometry": None,
        "properties": {"datetime": "2024-07-31T10:15:00Z"},
        "links": [],
        "assets": {f"asset-{number}": asset for number, asset in enumerate(assets)},
    }


@dataclass(frozen=True)
class Scene:
    """Where a failure happens: an installation, a web server and an S3 server."""

    site: Site
    web: FileServer
    s3: S3Server

    def run(self, *words: str | Path, **environ: str) -> Done:
        """`zoo-runner run` with these words."""
        return self.site.having(**environ).command("run", "--quiet", "--format", "json", *words)

    def run_failing(self, name: str, *words: str | Path, job_file: str = "inputs.yml", **environ: str) -> Done:
        """Run one of the failing packages with its inputs."""
        folder = FAILING / name
        return self.run(folder / f"{name}.cwl", folder / job_file, "-o", self.site.results, *words, **environ)

    def run_with_source(self, href: str) -> Done:
        """Run a package whose one input is a Directory at `href`."""
        item = f'item={{"class": "Directory", "location": "{href}"}}'
        package = FAILING / "source-not-found" / "source-not-found.cwl"
        return self.run(package, "-i", item, "-o", self.site.results)

    def run_to_s3(self, destination: str, **environ: str) -> Done:
        """Run a good package whose results go to an S3 service."""
        keys = self.s3.options
        return self.run(
            *ECHO,
            "-o",
            destination,
            **{
                "STAGEOUT_AWS_SERVICEURL": keys.endpoint or "",
                "STAGEOUT_AWS_ACCESS_KEY_ID": keys.access_key_id or "",
                "STAGEOUT_AWS_SECRET_ACCESS_KEY": keys.secret_access_key or "",
                **environ,
            },
        )

    def run_from_s3(self, source: str, **environ: str) -> Done:
        """Run a package whose one input lies in an S3 service."""
        keys = self.s3.options
        settings = {
            "STAGEIN_AWS_SERVICEURL": keys.endpoint or "",
            "STAGEIN_AWS_ACCESS_KEY_ID": keys.access_key_id or "",
            "STAGEIN_AWS_SECRET_ACCESS_KEY": keys.secret_access_key or "",
        }
        return self.having({**settings, **environ}).run_with_source(source)

    def having(self, environ: Mapping[str, str]) -> "Scene":
        """The same with more in its environment."""
        return replace(self, site=self.site.having(**environ))

    def run_with_item(self, *assets: Mapping[str, str]) -> Done:
        """Run a package on a STAC item with these assets, whose data are those of `data.tif`."""
        self.web.put("data.tif", b"II*\0")
        self.web.put("item.json", json.dumps(build_item(*assets)).encode())
        return self.run_with_source(f"{self.web.url}/item.json")

    def run_in_podman(self, package: Path, **environ: str) -> Done:
        """Run a package in real containers."""
        containers = {name: value for name, value in os.environ.items() if name in PODMAN_READS}  # noqa: TID251
        return self.run(package, "-o", self.site.results, "--containers", "podman", **{**containers, **environ})

    def run_from_registry(self, answer: Fault | None) -> Done:
        """Run a package whose image a real podman asks a registry for, which answers so; None: nobody answers."""
        host = self.web.url.removeprefix("http://") if answer else "127.0.0.1:1"
        if answer:
            self.web.fail_always("v2/", Fault(headers={"Content-Type": "application/json"}, body=b"{}"))
            self.web.fail_always("v2/eo/tool/manifests/1", answer)
        registries = self.site.folder / "registries.conf"
        registries.write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
        text = (FAILING / "image-missing" / "image-missing.cwl").read_text()
        package = self.site.folder / "image-missing.cwl"
        package.write_text(text.replace("docker.io/zoo-runner/does-not-exist:1", f"{host}/eo/tool:1"))
        return self.run_in_podman(package, CONTAINERS_REGISTRIES_CONF=str(registries))

    def run_over_tls(self, run: Callable[["Scene"], Done]) -> Done:
        """Run with a web server whose certificate nobody trusts."""
        with serve_files(self.site.folder / "tls", make_certificate(self.site.folder)) as web:
            web.put("item.json", json.dumps(build_item()).encode())
            return run(replace(self, web=web))

    def run_on_full_disk(self) -> Done:
        """Run a good package whose results go to a disk of 8 KiB."""
        with self._small_disk("8k") as place:
            return self.run(*ECHO, "-o", place / "results")

    def run_twice_on_small_disk(self) -> Done:
        """Run a good package whose results fit on a disk, and once more for results that do not fit beside them."""
        with self._small_disk("24k") as place:
            first = self.run(*ECHO, "-o", place / "results")
            assert first.returncode == 0, first.stderr
            shutil.rmtree(self.site.temp)
            earlier = read_results(place / "results")
            second = self.run(*ECHO, "-o", place / "results")
            assert read_results(place / "results") == earlier
            return second

    @contextmanager
    def _small_disk(self, size: str) -> Iterator[Path]:
        place = self.site.folder / "disk"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
        try:
            yield place
        finally:
            subprocess.run(["umount", str(place)], check=True)

    def run_hub(self, wrong: str, *words: str, **environ: str) -> Done:
        """Convert a picture as packages on data hubs do, and let something go wrong."""
        url = self.web.put("picture.pgm", PICTURE)
        package = f"{PACKAGES / 'hub' / 'hub.cwl'}#convert-url"
        given = [f"url={url}", f"wrong={wrong}", *words]
        return self.run(package, *(part for word in given for part in ("-i", word)), "-o", self.site.results, **environ)

    def run_and_cancel(self) -> Done:
        """Run a slow package, and cancel it from another process once its step has begun."""
        words: list[str | Path] = ["run", FAILING / "slow" / "slow.cwl", "--job-id", "slow-one", "--format", "json"]
        with self.site.started(*words, "-o", self.site.results) as process:
            assert process.stderr
            for line in process.stderr:
                if "step sleep begins" in line:
                    break
            self.site.command("cancel", "slow-one")
            stdout, stderr = process.communicate()
        return Done(process.args, process.returncode, stdout, stderr)


def read_results(folder: Path) -> dict[str, bytes]:
    """The collection at a place and the items that it leads to, as they are now."""
    collection = (folder / "collection.json").read_bytes()
    links = [link["href"] for link in json.loads(collection)["links"] if link["rel"] == "item"]
    items = {href: (folder / href).read_bytes() for href in links}
    assert items
    return {"collection": collection, **items}


def lacks_podman() -> str | None:
    """Why podman cannot be used here; None where it can."""
    try:
        answer = subprocess.run(["podman", "info"], capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        return "podman is not installed"
    return f"podman does not answer: {answer.stderr}" if answer.returncode else None


def cover_places(text: str, scene: Scene) -> str:
    """What differs from machine to machine, replaced by what it stands for."""
    endpoint = (scene.s3.options.endpoint or "").removeprefix("http://")
    for place, name in (
        (str(scene.site.folder), "<folder>"),
        (str(FAILING), "<packages>"),
        (str(ROOT), "<repository>"),
        (str(PACKAGES), "<packages>"),
        (sysconfig.get_path("stdlib"), "<python>"),
        (scene.web.url, "http://data.example"),
        (scene.web.url.removeprefix("http://"), "data.example"),
        (endpoint, "s3.example"),
    ):
        text = text.replace(place, name)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<job-id>", text)
    text = re.sub(r"https://127\.0\.0\.1:\d+", "https://data.example", text)
    text = re.sub(r'time="[^"]+"', 'time="<time>"', text)
    text = re.sub(r"(this machine has) \d+(\.\d+)?", r"\1 <number>", text)
    return re.sub(r"(<folder>/scratch/<job-id>/\w+/)\w+", r"\1<step>", text)


def shown_message(done: Done, scene: Scene) -> str:
    """The message of a failure as printed, from its first line on."""
    _, found, message = done.stderr.partition("error: ")
    return cover_places(found + message, scene).rstrip()
